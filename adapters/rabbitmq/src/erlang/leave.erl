%% This node leaves its cluster and forgets what it stores, as `rabbitmqctl stop_app` and `reset` make it do.
rabbit:stop(),
case code:ensure_loaded(rabbit_db) of
    {module, rabbit_db} -> ok = rabbit_db:reset();
    _ -> ok = rabbit_mnesia:reset()
end,
<<"ok">>.
