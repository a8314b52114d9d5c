%% What this node does about a partition.
{ok, Handling} = application:get_env(rabbit, cluster_partition_handling),
unicode:characters_to_binary(io_lib:format("~p", [Handling])).
