%% A policy that mirrors the first of Names to all nodes. The others: promote on failure, synchronisation mode.
[Name, Promote, Sync | _] = Names,
Definition = <<"{\"ha-mode\":\"all\",\"ha-promote-on-failure\":\"", Promote/binary, "\",\"ha-sync-mode\":\"", Sync/binary, "\"}">>,
Pattern = <<"^", Name/binary, "$">>,
case rabbit_policy:parse_set(<<"/">>, Name, Pattern, Definition, <<"0">>, <<"queues">>, <<"verify">>) of
    ok -> <<"ok">>;
    {error_string, Words} -> unicode:characters_to_binary(Words);
    Other -> unicode:characters_to_binary(io_lib:format("~p", [Other]))
end.
