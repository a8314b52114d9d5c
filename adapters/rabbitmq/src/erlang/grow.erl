%% Gives the node with the number that comes first in Names a copy of each of the queues named after it, as
%% `rabbitmq-queues add_member` and `rabbitmq-streams add_replica` do. A line for each.
[Number | QueueNames] = Names,
Digits = fun(Node) -> [Letter || Letter <- tl(lists:dropwhile(fun(L) -> L =/= $@ end, atom_to_list(Node))), Letter >= $0, Letter =< $9] end,
Text = fun(Term) -> re:replace(io_lib:format("~0p", [Term]), "\\s+", " ", [global]) end,
Members = fun(Queue) ->
    case maps:get(nodes, amqqueue:get_type_state(Queue), []) of
        Nodes when is_map(Nodes) -> maps:keys(Nodes);
        Nodes -> Nodes
    end
end,
Add = fun(In, Queue, Name) ->
    case {lists:member(In, Members(Queue)), amqqueue:get_type(Queue)} of
        {true, _} -> "needless";
        {false, rabbit_quorum_queue} ->
            case rabbit_quorum_queue:add_member(<<"/">>, Name, In, 10000) of
                ok -> "done";
                Other -> ["refused ", Text(Other)]
            end;
        {false, rabbit_stream_queue} ->
            case rabbit_stream_queue:add_replica(<<"/">>, Name, In) of
                ok -> "done";
                {ok, _} -> "done";
                Other -> ["refused ", Text(Other)]
            end;
        _ -> "none"
    end
end,
Line = fun(Name) ->
    try
        [In] = [Node || Node <- [node() | nodes()], Digits(Node) =:= binary_to_list(Number)],
        case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, Name)) of
            {ok, Queue} -> Add(In, Queue, Name);
            {error, not_found} -> "refused there is no such queue"
        end
    catch
        Class:Reason -> ["refused ", Text({Class, Reason})]
    end
end,
unicode:characters_to_binary([[Line(Name), "\n"] || Name <- QueueNames]).
