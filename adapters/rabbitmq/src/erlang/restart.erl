%% Stops and starts the broker application, as `rabbitmqctl stop_app` and `start_app` do.
rabbit:stop(),
ok = rabbit:start(),
<<"ok">>.
