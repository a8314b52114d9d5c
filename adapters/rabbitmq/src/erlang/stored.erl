%% Bytes in the files that this node stores.
{module, rabbit} = code:ensure_loaded(rabbit),
Directory = case erlang:function_exported(rabbit, data_dir, 0) of
    true -> rabbit:data_dir();
    false -> rabbit_mnesia:dir()
end,
Bytes = filelib:fold_files(Directory, ".*", true, fun(File, Sum) -> Sum + filelib:file_size(File) end, 0),
integer_to_binary(Bytes).
