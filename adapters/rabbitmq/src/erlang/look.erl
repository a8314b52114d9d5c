%% What this node believes, by itself: nothing here asks another node.
%% Names: the queues, in the order of the answer's lines.
Try = fun(Ask, Else) -> try Ask() catch _:_ -> Else end end,
Up = [node() | nodes()],
Running = Try(fun() -> rabbit:is_running() end, false),
Partitions = Try(fun() -> rabbit_node_monitor:partitions() end, []),
%% Without it no quorum queue of this node does anything, and nobody but a restart brings it back.
RaftLog = whereis(ra_log_wal) =/= undefined,
Alarms = Try(fun() -> length(rabbit_alarm:get_alarms()) end, 0),
Spaced = fun(Atoms) -> lists:join(" ", [atom_to_list(Atom) || Atom <- Atoms]) end,
IsUp = fun(Node) -> lists:member(Node, Up) end,
Line = fun(Leader, Epoch, Applied, Members, InSync) ->
    io_lib:format("queue ~s ~b ~b|~s|~s~n", [Leader, Epoch, Applied, Spaced(Members), Spaced(InSync)])
end,
Classic = fun(Queue) ->
    Pid = amqqueue:get_pid(Queue),
    Home = case is_pid(Pid) of true -> node(Pid); false -> none end,
    Mirrors = [node(Mirror) || Mirror <- Try(fun() -> amqqueue:get_slave_pids(Queue) end, []), is_pid(Mirror)],
    Synced = [node(Mirror) || Mirror <- Try(fun() -> amqqueue:get_sync_slave_pids(Queue) end, []), is_pid(Mirror)],
    Leader = case IsUp(Home) of true -> Home; false -> none end,
    InSync = case Leader of none -> []; _ -> [Leader | Synced] end,
    Line(Leader, 0, 0, [Home | Mirrors], InSync)
end,
Quorum = fun(Queue) ->
    {Name, _} = amqqueue:get_pid(Queue),
    Nodes = maps:get(nodes, amqqueue:get_type_state(Queue), []),
    Members = case is_map(Nodes) of true -> maps:keys(Nodes); false -> Nodes end,
    {Leader, Epoch, Applied} =
        case Try(fun() -> ra:local_query({Name, node()}, fun rabbit_fifo:query_messages_ready/1, 150) end, down) of
            {ok, {{Index, Term}, _}, {_, Node}} -> {Node, Term, Index};
            {ok, {{Index, Term}, _}, _} -> {none, Term, Index};
            _ -> {none, 0, 0}
        end,
    Line(Leader, Epoch, Applied, Members, [Member || Member <- Members, IsUp(Member)])
end,
Stream = fun(Queue) ->
    State = amqqueue:get_type_state(Queue),
    Leader = maps:get(leader_node, State, none),
    Members = maps:get(nodes, State, []),
    Resource = amqqueue:get_name(Queue),
    Counters = Try(fun() -> osiris_counters:overview() end, #{}),
    Copy = maps:get({osiris_writer, Resource}, Counters, maps:get({osiris_replica, Resource}, Counters, #{})),
    Known = case IsUp(Leader) of true -> Leader; false -> none end,
    Next = maps:get(offset, Copy, -2) + 1,
    Line(Known, maps:get(epoch, State, 0), Next, Members, [Member || Member <- Members, IsUp(Member)])
end,
Look = fun(Name) ->
    case Try(fun() -> rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, Name)) end, down) of
        {ok, Queue} ->
            case amqqueue:get_type(Queue) of
                rabbit_quorum_queue -> Quorum(Queue);
                rabbit_stream_queue -> Stream(Queue);
                _ -> Classic(Queue)
            end;
        {error, not_found} -> "gone\n";
        _ -> "unknown\n"
    end
end,
Queues = case Running of
    true -> [Try(fun() -> Look(Name) end, "unknown\n") || Name <- Names];
    false -> ["unknown\n" || _ <- Names]
end,
unicode:characters_to_binary([
    io_lib:format("up ~s~nrunning ~s~npartitions ~s~nalarms ~b~nraft ~s~nclock ~b~n",
                  [Spaced(Up), Running, Spaced(Partitions), Alarms, RaftLog, os:system_time(millisecond)]),
    Queues
]).
