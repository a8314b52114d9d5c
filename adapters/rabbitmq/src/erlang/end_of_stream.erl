%% Committed end of the first of Names, a stream, on this node: the offset of the next message.
[Name | _] = Names,
case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, Name)) of
    {ok, Queue} ->
        Resource = amqqueue:get_name(Queue),
        Counters = osiris_counters:overview(),
        Copy = maps:get({osiris_writer, Resource}, Counters, maps:get({osiris_replica, Resource}, Counters, none)),
        case Copy of
            none -> <<"no replica">>;
            #{committed_offset := Committed, first_offset := First} ->
                unicode:characters_to_binary(io_lib:format("stream ~b ~b", [First, Committed + 1]))
        end;
    {error, not_found} -> <<"gone">>
end.
