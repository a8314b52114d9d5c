%% This node joins the cluster of the node with the number in Names, and its broker starts, as `rabbitmqctl join_cluster`
%% and `start_app` make it do. One that did so in an earlier attempt stays as it is.
[Number | _] = Names,
Home = lists:reverse(lists:dropwhile(fun(Letter) -> Letter >= $0 andalso Letter =< $9 end, lists:reverse(atom_to_list(node())))),
Remote = list_to_atom(Home ++ binary_to_list(Number)),
Joined = case {rabbit:is_running(), code:ensure_loaded(rabbit_db_cluster)} of
    {true, _} -> {ok, already_member};
    {false, {module, rabbit_db_cluster}} -> rabbit_db_cluster:join(Remote, disc);
    {false, _} -> rabbit_mnesia:join_cluster(Remote, disc)
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
