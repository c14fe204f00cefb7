# perf script -F comm,ip,sym,dso: one line for each stack, "frame;frame;frame times", from the outside in. What runs in user
# space is known by its last frame alone (nothing is compiled with frame pointers), and stands below its library.

function take(    i, line, library) {
	if (!depth) return
	if (dso[1] !~ /kernel|\.ko/) {
		library = dso[1]
		sub(/.*\//, "", library)
		sub(/\.so.*/, "", library)
		line = "user space;" library ";" symbol[1]
	} else {
		line = "kernel"
		for (i = depth; i > 0; i--)
			if (dso[i] ~ /kernel|\.ko/ && symbol[i] !~ /^(entry_SYSCALL_64_after_hwframe|do_syscall_64|x64_sys_call|ret_from_fork.*)$/)
				line = line ";" symbol[i]
	}
	times[line]++
	depth = 0
}
/^[^ \t]/ { take(); next }
/^[ \t]+[0-9a-f]+ / {
	symbol[++depth] = $2
	sub(/\+0x.*|\.(isra|part|constprop|cold|lto_priv).*/, "", symbol[depth])
	dso[depth] = $NF
	gsub(/[()]/, "", dso[depth])
}
END {
	take()
	for (line in times) print line, times[line]
}
