%% Has the broker spread the leaders of all queues, as `rabbitmq-queues rebalance all` does. A line for each of Names:
%% whether its leader is another then.
Leader = fun(Name) ->
    case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, Name)) of
        {ok, Queue} -> amqqueue:qnode(Queue);
        {error, not_found} -> none
    end
end,
Before = [Leader(Name) || Name <- Names],
case rabbit_amqqueue:rebalance(all, <<".*">>, <<".*">>) of
    {ok, _} ->
        %% A new leader writes itself down a moment after it has become one.
        timer:sleep(1000),
        Line = fun
            ({Name, Was}) ->
                case Leader(Name) of
                    Was -> "needless\n";
                    _ -> "done\n"
                end
        end,
        unicode:characters_to_binary(lists:map(Line, lists:zip(Names, Before)));
    {error, Reason} ->
        unicode:characters_to_binary([io_lib:format("refused ~0p~n", [Reason]) || _ <- Names])
end.
