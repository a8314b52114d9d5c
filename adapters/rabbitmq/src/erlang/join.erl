%% This node joins the cluster of the node with the number in Names, and its broker starts, as `rabbitmqctl join_cluster`
%% and `start_app` make it do.
[Number | _] = Names,
Home = lists:reverse(lists:dropwhile(fun(Letter) -> Letter >= $0 andalso Letter =< $9 end, lists:reverse(atom_to_list(node())))),
Remote = list_to_atom(Home ++ binary_to_list(Number)),
Joined = case code:ensure_loaded(rabbit_db_cluster) of
    {module, rabbit_db_cluster} -> rabbit_db_cluster:join(Remote, disc);
    _ -> rabbit_mnesia:join_cluster(Remote, disc)
end,
case Joined of
    ok ->
        ok = rabbit:start(),
        <<"ok">>;
    {ok, already_member} ->
        ok = rabbit:start(),
        <<"ok">>;
    Other -> unicode:characters_to_binary(io_lib:format("~0p", [Other]))
end.
