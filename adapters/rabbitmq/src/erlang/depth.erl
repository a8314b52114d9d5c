%% Ready and unsettled messages of the first of Names, as its leader has them.
[Name | _] = Names,
case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, Name)) of
    {ok, Queue} ->
        {Ready, Unsettled} = case amqqueue:get_type(Queue) of
            rabbit_quorum_queue ->
                {Ra, _} = amqqueue:get_pid(Queue),
                Ask = fun(Fun) -> {ok, Answer, _} = ra:consistent_query({Ra, node()}, Fun, 3000), Answer end,
                %% Messages on their way to a dead-letter queue are neither ready nor gone.
                Leaving = try element(1, Ask(fun rabbit_fifo:query_stat_dlx/1)) catch _:_ -> 0 end,
                {Ask(fun rabbit_fifo:query_messages_ready/1),
                 Ask(fun rabbit_fifo:query_messages_checked_out/1) + Leaving};
            _ ->
                [{_, Waiting}, {_, Out}] = rabbit_amqqueue:info(Queue, [messages_ready, messages_unacknowledged]),
                {Waiting, Out}
        end,
        unicode:characters_to_binary(io_lib:format("depth ~b ~b", [Ready, Unsettled]));
    {error, not_found} -> <<"gone">>
end.
