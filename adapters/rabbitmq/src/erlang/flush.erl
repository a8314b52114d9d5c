%% What was declared stands on disk from here on: Mnesia keeps it to itself for up to two seconds, and a node that is
%% killed meanwhile comes back without a queue it had confirmed. Later releases have no Mnesia, and nothing to flush.
try mnesia:sync_log() catch _:_ -> ok end,
<<"ok">>.
