%% First offset of the first of Names, a stream, on this node, and the one its next message will have. What is written
%% on every node is committed; the counter of what is committed itself lags behind until something else is written.
[Name | _] = Names,
case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, Name)) of
    {ok, Queue} ->
        Resource = amqqueue:get_name(Queue),
        Counters = osiris_counters:overview(),
        Copy = maps:get({osiris_writer, Resource}, Counters, maps:get({osiris_replica, Resource}, Counters, none)),
        case Copy of
            none -> <<"no replica">>;
            #{offset := Written, first_offset := First} ->
                unicode:characters_to_binary(io_lib:format("stream ~b ~b", [First, Written + 1]))
        end;
    {error, not_found} -> <<"gone">>
end.
