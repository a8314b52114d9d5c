%% Moves the leaders of the queues in Names to the node with the number that comes first. A line for each queue.
[Number | QueueNames] = Names,
Digits = fun(Node) -> [Letter || Letter <- tl(lists:dropwhile(fun(L) -> L =/= $@ end, atom_to_list(Node))), Letter >= $0, Letter =< $9] end,
[To] = [Node || Node <- [node() | nodes()], Digits(Node) =:= binary_to_list(Number)],
Text = fun(Term) -> re:replace(io_lib:format("~0p", [Term]), "\\s+", " ", [global]) end,
Said = fun
    ({migrated, To1}) when To1 =:= To -> "done";
    ({ok, To1}) when To1 =:= To -> "done";
    ({_, already_leader}) -> "needless";
    (Other) -> ["refused ", Text(Other)]
end,
Mirrors = fun(Queue) -> try amqqueue:get_slave_pids(Queue) of Pids when is_list(Pids) -> Pids; _ -> [] catch _:_ -> [] end end,
Again = fun Again(Attempt, Left) ->
    case Attempt() of
        {_, To1} when To1 =:= To -> {ok, To};
        Other when Left =:= 1 -> Other;
        _ ->
            timer:sleep(100),
            Again(Attempt, Left - 1)
    end
end,
HasTransfer = fun(Module) ->
    {module, Module} = code:ensure_loaded(Module),
    erlang:function_exported(Module, transfer_leadership, 2)
end,
Move = fun(Queue) ->
    case {amqqueue:get_type(Queue), amqqueue:qnode(Queue)} of
        {_, To1} when To1 =:= To -> "needless";
        {rabbit_quorum_queue, _} -> Said(rabbit_quorum_queue:transfer_leadership(Queue, To));
        {rabbit_stream_queue, _} ->
            case HasTransfer(rabbit_stream_queue) of
                %% The copy that has come furthest leads, whichever is preferred: under load that takes some attempts.
                true -> Said(Again(fun() -> rabbit_stream_queue:transfer_leadership(Queue, To) end, 10));
                false -> "refused this release cannot move the leader of a stream"
            end;
        _ ->
            case Mirrors(Queue) of
                [] -> "none";
                _ -> Said(rabbit_mirror_queue_misc:transfer_leadership(Queue, To))
            end
    end
end,
Line = fun(Name) ->
    try rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, Name)) of
        {ok, Queue} -> Move(Queue);
        {error, not_found} -> "refused there is no such queue"
    catch
        Class:Reason -> ["refused ", Text({Class, Reason})]
    end
end,
unicode:characters_to_binary([[Line(Name), "\n"] || Name <- QueueNames]).
