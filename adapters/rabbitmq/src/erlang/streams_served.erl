%% Whether this node can serve streams: it takes part in the coordinator where there are any. A node that joined is taken in
%% at that one's next tick, 30 s apart.
IsStream = fun(Queue) -> amqqueue:get_type(Queue) =:= rabbit_stream_queue end,
case lists:any(IsStream, rabbit_amqqueue:list()) andalso whereis(rabbit_stream_coordinator) =:= undefined of
    true -> <<"no">>;
    false -> <<"yes">>
end.
