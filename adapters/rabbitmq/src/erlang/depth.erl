%% Ready and unsettled messages of the first of Names, as its leader has them.
[QueueName | _] = Names,
case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, QueueName)) of
    {ok, Queue} ->
        {Ready, Unsettled} = case amqqueue:get_type(Queue) of
            rabbit_quorum_queue ->
                {Ra, _} = amqqueue:get_pid(Queue),
                %% Releases of ra before 2 know nothing but funs here, the newest nothing but module and name.
                {ok, Version} = application:get_key(ra, vsn),
                Query = fun(Name) ->
                    Asked = case Version of
                        "1." ++ _ -> fun(State) -> rabbit_fifo:Name(State) end;
                        _ -> {rabbit_fifo, Name, []}
                    end,
                    ra:consistent_query({Ra, node()}, Asked, 3000)
                end,
                Ask = fun(Name) -> {ok, Answer, _} = Query(Name), Answer end,
                %% Messages on their way to a dead-letter queue are neither ready nor gone.
                Leaving = try element(1, Ask(query_stat_dlx)) catch _:_ -> 0 end,
                {Ask(query_messages_ready),
                 Ask(query_messages_checked_out) + Leaving};
            _ ->
                [{_, Waiting}, {_, Out}] = rabbit_amqqueue:info(Queue, [messages_ready, messages_unacknowledged]),
                {Waiting, Out}
        end,
        unicode:characters_to_binary(io_lib:format("depth ~b ~b", [Ready, Unsettled]));
    {error, not_found} -> <<"gone">>
end.
