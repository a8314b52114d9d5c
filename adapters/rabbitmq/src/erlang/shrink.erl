%% Takes the node with the number that comes first in Names out of every replicated queue, as `rabbitmq-queues shrink` and
%% `rabbitmq-streams delete_replica` do. A line for each of the queues named after it.
[Number | QueueNames] = Names,
Digits = fun(Node) -> [Letter || Letter <- tl(lists:dropwhile(fun(L) -> L =/= $@ end, atom_to_list(Node))), Letter >= $0, Letter =< $9] end,
[Out] = [Node || Node <- [node() | nodes()], Digits(Node) =:= binary_to_list(Number)],
Text = fun(Term) -> re:replace(io_lib:format("~0p", [Term]), "\\s+", " ", [global]) end,
Members = fun(Queue) ->
    case maps:get(nodes, amqqueue:get_type_state(Queue), []) of
        Nodes when is_map(Nodes) -> maps:keys(Nodes);
        Nodes -> Nodes
    end
end,
Delete = fun(Queue, Remove) ->
    {resource, Host, queue, Name} = amqqueue:get_name(Queue),
    case lists:member(Out, Members(Queue)) of
        false -> "needless";
        true ->
            try Remove(Host, Name) of
                ok -> "done";
                {ok, _} -> "done";
                Other -> ["refused ", Text(Other)]
            catch
                Class:Reason -> ["refused ", Text({Class, Reason})]
            end
    end
end,
Shrink = fun(Queue) ->
    case amqqueue:get_type(Queue) of
        rabbit_quorum_queue -> Delete(Queue, fun(Host, Name) -> rabbit_quorum_queue:delete_member(Host, Name, Out) end);
        rabbit_stream_queue -> Delete(Queue, fun(Host, Name) -> rabbit_stream_queue:delete_replica(Host, Name, Out) end);
        _ -> "none"
    end
end,
%% The coordinator of streams would miss a node that is back before its next tick, and never start there again. Later
%% releases have a function for what this does on earlier ones.
Coordinator = fun(Node) -> {rabbit_stream_coordinator, Node} end,
ForgetOut = fun() ->
    case erlang:function_exported(rabbit_stream_coordinator, forget_node, 1) of
        true -> rabbit_stream_coordinator:forget_node(Out);
        false ->
            ra:remove_member(Coordinator(node()), Coordinator(Out)),
            ra:force_delete_server(coordination, Coordinator(Out))
    end
end,
All = [{element(4, amqqueue:get_name(Queue)), Shrink(Queue)} || Queue <- rabbit_amqqueue:list()],
whereis(rabbit_stream_coordinator) =/= undefined andalso ForgetOut(),
unicode:characters_to_binary([[proplists:get_value(Name, All, "refused there is no such queue"), "\n"] || Name <- QueueNames]).
