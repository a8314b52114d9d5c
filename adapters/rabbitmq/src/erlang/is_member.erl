%% Whether the node with the number in Names is a member of the cluster, up or down.
[Number | _] = Names,
Digits = fun(Node) -> [Letter || Letter <- tl(lists:dropwhile(fun(L) -> L =/= $@ end, atom_to_list(Node))), Letter >= $0, Letter =< $9] end,
{module, rabbit_nodes} = code:ensure_loaded(rabbit_nodes),
Members = case erlang:function_exported(rabbit_nodes, list_members, 0) of
    true -> rabbit_nodes:list_members();
    false -> rabbit_mnesia:cluster_nodes(all)
end,
case [Node || Node <- Members, Digits(Node) =:= binary_to_list(Number)] of
    [] -> <<"no">>;
    _ -> <<"yes">>
end.
