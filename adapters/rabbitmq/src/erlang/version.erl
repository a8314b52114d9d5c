%% The version of the broker that answers, and of the Erlang it runs on.
unicode:characters_to_binary(io_lib:format("~s ~s", [rabbit_misc:version(), erlang:system_info(otp_release)])).
