%% Gives up the connections to all other nodes: each side takes the other for gone, and both begin anew.
[erlang:disconnect_node(Node) || Node <- nodes()],
<<"ok">>.
