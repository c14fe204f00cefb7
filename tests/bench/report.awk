# From the samples of one run ("round subject measure value" a line) to tables and plots. -v kind: json, md, readme,
# bars (SVG), flow (SVG). Reads, in this order: meta, about, flow, samples; FILENAME tells by its ending.

BEGIN {
	FS = "\t"
	order = "veth copier jumpvpnd wireguard-go fastd-null fastd-aes nebula openvpn tinc"
	nsubjects = split(order, subject, " ")
}
FILENAME ~ /meta$/ { meta[$1] = $2; metas[++nmeta] = $1; next }
FILENAME ~ /about$/ { about[$1] = $2; next }
FILENAME ~ /flow$/ { flow[$1, ++flows[$1]] = $2; if ($1 > rounds) rounds = $1; next }
{ add($2, $3, $4, $1) }

function add(s, m, v, round) {
	if (!((s, m) in count)) measures[++nmeasures] = s SUBSEP m
	value[s, m, ++count[s, m]] = v
	if (m == "jump_at") jump_at[round] = v
}

# The median of what was sampled; "" when nothing was.
function median(s, m,    n, i, j, t, v) {
	n = count[s, m]
	if (!n) return ""
	for (i = 1; i <= n; i++) v[i] = value[s, m, i]
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}
function shown(s, m, format) { return (s, m) in count ? sprintf(format, median(s, m)) : "-" }
function ratio(a, b) { return a != "" && b + 0 > 0 ? a / b : "" }
function mean(a, b) { return a == "" || b == "" ? a b : (a + b) / 2 }
function present(s) { return (s in about) }
function text(s) { gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); return s }
function json(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); return "\"" s "\"" }

# Bytes of each 10 ms around the order to jump, as rates: what it cost beyond the gap.
function judge_jumps(    r, i, at, before, after, low, empty, n) {
	for (r = 1; r <= rounds; r++) {
		if (!(r in jump_at)) continue
		at = int(jump_at[r] / 10) + 1
		before = after = empty = 0
		low = 1e18
		for (i = at - 50; i < at; i++) before += flow[r, i]
		for (i = at; i < at + 50; i++) {
			after += flow[r, i]
			if (flow[r, i] + 0 < low) low = flow[r, i] + 0
			if (flow[r, i] + 0 == 0) empty++
		}
		add("jumpvpnd", "jump_before", before * 8 / 0.5e9, r)
		add("jumpvpnd", "jump_after", after * 8 / 0.5e9, r)
		add("jumpvpnd", "jump_lowest", low * 8 / 1e7, r)
		add("jumpvpnd", "jump_empty_ms", empty * 10, r)
	}
}

# --- text ---

function row_md(s,    t, p) {
	t = s
	if (!present(s)) return "| " s " | not installed | | | | | | | | | | |\n"
	return "| " t " | " shown(s, "tcp1_up", "%.2f") " / " shown(s, "tcp1_down", "%.2f") \
		" | " shown(s, "tcp8_up", "%.2f") " / " shown(s, "tcp8_down", "%.2f") \
		" | " shown(s, "tcp1_up_cpu", "%.2f") " / " shown(s, "tcp1_down_cpu", "%.2f") \
		" | " shown(s, "tcp1_up_machine", "%.2f") \
		" | " shown(s, "packets64", "%.0f") " | " shown(s, "packets64_cpu", "%.2f") \
		" | " shown(s, "packets1200", "%.0f") " | " shown(s, "packets1200_cpu", "%.2f") \
		" | " shown(s, "rtt_idle", "%.3f") " | " shown(s, "rtt_load", "%.2f") " / " shown(s, "rtt_load_p99", "%.2f") \
		" | " shown(s, "rss_idle", "%.1f") " / " shown(s, "rss_load", "%.1f") " |\n"
}

function ratio_line(title, a, b, format) {
	if (ratio(a, b) != "") printf "| %s | " format " |\n", title, ratio(a, b)
}

function markdown(    i, s, j, w1, w2) {
	print "# Tunnels side by side\n"
	for (i = 1; i <= nmeta; i++) print "- " metas[i] ": " meta[metas[i]]
	print "\nMedians. TCP: Gbit/s of payload, up / down. CPU: seconds per GB of both daemons, up / down of one stream; machine: all that was\nnot idle, traffic generators included, one stream up. Packets: thousands a second at under 0.5 % loss, and CPU us of both daemons for each.\nRTT in ms; under load: median / 99th percentile beside one TCP stream. RSS in MB of the larger end, idle / under load.\n"
	print "| | TCP, 1 stream | TCP, 8 streams | CPU s/GB | machine s/GB | 64 B, kpps | CPU us | 1,200 B, kpps | CPU us | RTT | RTT under load | RSS |"
	print "|---|---|---|---|---|---|---|---|---|---|---|---|"
	for (i = 1; i <= nsubjects; i++)
		if (present(subject[i]) || (subject[i], "absent") in count) printf "%s", row_md(subject[i])
	print ""
	for (i = 1; i <= nsubjects; i++)
		if (present(subject[i])) print "- " subject[i] ": " about[subject[i]]
	j = "jumpvpnd"
	print "\n| jumpvpnd against the others, in this run | |"
	print "|---|---|"
	ratio_line("TCP, one stream (mean of up and down), times wireguard-go of Debian", mean(median(j, "tcp1_up"), median(j, "tcp1_down")), mean(median("wireguard-go", "tcp1_up"), median("wireguard-go", "tcp1_down")), "%.1f")
	ratio_line("TCP, one stream (mean of up and down), share of the bare copier", mean(median(j, "tcp1_up"), median(j, "tcp1_down")), mean(median("copier", "tcp1_up"), median("copier", "tcp1_down")), "%.2f")
	ratio_line("CPU per GB, one stream, share of wireguard-go of Debian", mean(median(j, "tcp1_up_cpu"), median(j, "tcp1_down_cpu")), mean(median("wireguard-go", "tcp1_up_cpu"), median("wireguard-go", "tcp1_down_cpu")), "%.3f")
	ratio_line("64-byte packets, times nebula", median(j, "packets64"), median("nebula", "packets64"), "%.2f")
	ratio_line("CPU per 64-byte packet, share of nebula", median(j, "packets64_cpu"), median("nebula", "packets64_cpu"), "%.2f")
	ratio_line("idle RTT, times fastd with its null method", median(j, "rtt_idle"), median("fastd-null", "rtt_idle"), "%.2f")
	ratio_line("two clients down, two workers against one", median(j, "workers2"), median(j, "workers1"), "%.2f")
	ratio_line("server CPU per GB, two workers against one", median(j, "workers2_cpu"), median(j, "workers1_cpu"), "%.2f")
	if (count[j, "workers1"] > 0) {
		print "\nTwo clients, one stream down each: " shown(j, "workers1", "%.2f") " Gbit/s and " shown(j, "workers1_cpu", "%.2f") " CPU s/GB of the server with one worker,"
		print shown(j, "workers2", "%.2f") " Gbit/s and " shown(j, "workers2_cpu", "%.2f") " with two. The server's workers, two clients and four traffic generators shared the machine's processors:"
		print "none was free for the second worker where there are two."
		if (count[j, "workers2_capped"] > 0) {
			print "With each worker of the server held to 15 % of one processor (cpu.cfs_quota_us), so that the rest of the machine is free for a second one:"
			print shown(j, "workers1_capped", "%.2f") " Gbit/s with one worker, " shown(j, "workers2_capped", "%.2f") " with two: " sprintf("%.2f", ratio(median(j, "workers2_capped"), median(j, "workers1_capped"))) " times."
		}
	}
	if (count[j, "jump_before"] > 0) {
		print "\nA jump by order under one TCP stream at full rate (median of " count[j, "jump_before"] "): " shown(j, "jump_before", "%.2f") " Gbit/s in the 500 ms before it, " shown(j, "jump_after", "%.2f") " in the 500 ms"
		print "from it on; lowest 10 ms of these " shown(j, "jump_lowest", "%.2f") " Gbit/s, " shown(j, "jump_empty_ms", "%.0f") " ms with nothing."
	}
	if ((j, "hello_none_data") in count) hellos(j)
	if ((j, "profile_outside") in count) profile(j)
	if ((j, "instructions_seal") in count) instructions()
}

function hellos(j,    i, k, kind, m) {
	print "\nA flood of HELLOs, 60,000 a second asked for, from random addresses of a /15 and 64 ports, to a server of one worker, beside 2,000"
	print "probes a second and their echoes in one session; the network as above. Thousands a second that were sent, and that the worker judged;"
	print "beyond the buffer of HELLOs; probes lost, and datagrams that found the buffer of DATA full (median of " count[j, "hello_none_data"] "; worst); the worker's"
	print "thread, in percent of a processor, and for each HELLO that it judged, without what DATA costs. Kernel time is in it.\n"
	print "| | sent, k/s | judged, k/s | HELLOs beyond | probes | lost | DATA beyond | thread, % | us/HELLO |"
	print "|---|---|---|---|---|---|---|---|---|"
	k = split("none mac1 mac2 new replay", kind, " ")
	for (i = 1; i <= k; i++) {
		m = "hello_" kind[i] "_"
		print "| " kind_of_hello(kind[i]) " | " shown(j, m "sent", "%.1f") " | " shown(j, m "judged", "%.1f") " | " shown(j, m "full", "%.0f") \
			" | " shown(j, m "data", "%.0f") " | " shown(j, m "lost", "%.0f") "; " worst(j, m "lost") " | " shown(j, m "data_full", "%.0f") "; " \
			worst(j, m "data_full") " | " shown(j, m "share", "%.0f") " | " shown(j, m "us", "%.2f") " |"
	}
}
function kind_of_hello(s) {
	return s == "mac1" ? "mac1 wrong" : s == "mac2" ? "mac1 right, mac2 wrong" : s == "new" ? "mac1 right, no mac2" : s == "replay" ? "recorded ones" : s
}
function worst(s, m,    i, most) {
	for (i = 1; i <= count[s, m]; i++) if (value[s, m, i] + 0 > most) most = value[s, m, i] + 0
	return most + 0
}

function profile(j,    i, k) {
	print "\nWhere the time of both daemons goes under one stream up (perf, " shown(j, "profile_rate", "%.1f") " Gbit/s), in percent of it. Of user time, " shown(j, "profile_outside", "%.1f") " % is spent outside AEAD and memcpy.\n"
	print "| | % |"
	print "|---|---|"
	k = split("kernel_udp_send kernel_udp_receive kernel_tun_read kernel_tun_write kernel_other user_aead user_memcpy user_checksums user_own user_libraries", part, " ")
	for (i = 1; i <= k; i++) printf "| %s | %s |\n", label(part[i]), shown(j, "profile_" part[i], "%.1f")
}
function label(s) { sub(/_/, ": ", s); gsub(/_/, " ", s); return s }

function instructions(    i, k) {
	print "\nInstructions of our own code and the C library, without the crypto libraries (tests/bench/micro.sh; 1,400-byte packets, split and merge per segment):\n"
	print "| | instructions |"
	print "|---|---|"
	for (i = 1; i <= nmeasures; i++) {
		split(measures[i], k, SUBSEP)
		if (sub(/^instructions_/, "", k[2])) printf "| %s | %.0f |\n", k[2], median(k[1], "instructions_" k[2])
	}
}

function readme(    i, s) {
	print "| | TCP, 1 stream, Gbit/s up / down | CPU s/GB | 64-byte packets, kpps (CPU us each) | RTT idle / loaded, ms | RSS, MB |"
	print "|---|---|---|---|---|---|"
	for (i = 1; i <= nsubjects; i++) {
		s = subject[i]
		if (!present(s)) continue
		print "| " s " | " shown(s, "tcp1_up", "%.2f") " / " shown(s, "tcp1_down", "%.2f") " | " shown(s, "tcp1_up_cpu", "%.2f") \
			" | " shown(s, "packets64", "%.0f") " (" shown(s, "packets64_cpu", "%.1f") ") | " shown(s, "rtt_idle", "%.2f") " / " \
			shown(s, "rtt_load", "%.2f") " | " shown(s, "rss_load", "%.0f") " |"
	}
	print "\nCommit " meta["commit"] ", " meta["date"] "; " meta["hardware"] "; " meta["os"] ", " meta["kernel"] "; load average " meta["load_before"] " before, " meta["load_after"] " after."
}

function write_json(    i, k, s, m, n, sep) {
	print "{"
	printf "\"meta\": {"
	for (i = 1; i <= nmeta; i++) printf "%s\n  %s: %s", (i > 1 ? "," : ""), json(metas[i]), json(meta[metas[i]])
	printf "\n},\n\"subjects\": {"
	for (i = 1; i <= nsubjects; i++) {
		s = subject[i]
		if (present(s)) { printf "%s\n  %s: %s", sep, json(s), json(about[s]); sep = "," }
		else if ((s, "absent") in count) { printf "%s\n  %s: null", sep, json(s); sep = "," }
	}
	printf "\n},\n\"results\": ["
	sep = ""
	for (i = 1; i <= nmeasures; i++) {
		split(measures[i], k, SUBSEP)
		if (k[2] == "absent") continue
		printf "%s\n  {\"subject\": %s, \"measure\": %s, \"median\": %s, \"samples\": [", sep, json(k[1]), json(k[2]), median(k[1], k[2]) + 0
		for (n = 1; n <= count[k[1], k[2]]; n++) printf "%s%s", (n > 1 ? ", " : ""), value[k[1], k[2], n] + 0
		printf "]}"
		sep = ","
	}
	print "\n]"
	print "}"
}

# --- plots ---

function svg_open(w, h) {
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n", w, h, w, h
	print "<style>"
	print ".back { fill: #ffffff } .ink { fill: #1f2328 } .soft { fill: #59636e } .grid { stroke: #d1d9e0 }"
	print ".ours { fill: #0969da } .other { fill: #8c959f } .limit { fill: #d0d7de; stroke: #8c959f }"
	print ".line { fill: none; stroke: #0969da; stroke-width: 2 } .thin { fill: none; stroke: #0969da; stroke-opacity: .3 } .mark { stroke: #cf222e; stroke-dasharray: 4 3 } .markink { fill: #cf222e }"
	print "@media (prefers-color-scheme: dark) {"
	print ".back { fill: #0d1117 } .ink { fill: #f0f6fc } .soft { fill: #9198a1 } .grid { stroke: #3d444d }"
	print ".ours { fill: #4493f8 } .other { fill: #656c76 } .limit { fill: #2f353d; stroke: #656c76 }"
	print ".line, .thin { stroke: #4493f8 } .mark { stroke: #f85149 } .markink { fill: #f85149 }"
	print "}</style>"
	printf "<rect class=\"back\" width=\"%d\" height=\"%d\"/>\n", w, h
}

function class_of(s) { return s == "jumpvpnd" ? "ours" : s == "veth" || s == "copier" ? "limit" : "other" }

# One panel of bars: value(s) of each subject that has it.
function panel(x, y, w, title, format, m1, m2,    i, s, v, most, n, length_of) {
	printf "<text class=\"ink\" x=\"%d\" y=\"%d\" font-weight=\"600\">%s</text>\n", x, y + 14, text(title)
	for (i = 1; i <= nsubjects; i++) {
		v = m2 == "" ? median(subject[i], m1) : mean(median(subject[i], m1), median(subject[i], m2))
		if (v != "" && v + 0 > most && subject[i] != "veth") most = v + 0
	}
	for (i = 1; i <= nsubjects; i++) {
		s = subject[i]
		if (!present(s)) continue
		v = m2 == "" ? median(s, m1) : mean(median(s, m1), median(s, m2))
		n++
		if (v == "") continue
		length_of = most > 0 && v < most ? (w - 52) * v / most : w - 52
		printf "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"16\" rx=\"2\"/>\n", class_of(s), x, y + n * 24, length_of + 1
		printf "<text class=\"ink\" x=\"%.1f\" y=\"%d\" font-size=\"12\">%s</text>\n", x + length_of + 7, y + n * 24 + 13, sprintf(format, v)
	}
}

function note(y, s) { printf "<text class=\"soft\" x=\"16\" y=\"%d\" font-size=\"11\">%s</text>\n", y, text(s) }

function bars(    i, n, h) {
	for (i = 1; i <= nsubjects; i++) n += present(subject[i])
	h = 24 * n + 106
	svg_open(960, h)
	for (i = 1; i <= nsubjects; i++)
		if (present(subject[i]))
			printf "<text class=\"ink\" x=\"112\" y=\"%d\" text-anchor=\"end\"%s>%s</text>\n", 16 + 24 * ++k + 13, subject[i] == "jumpvpnd" ? " font-weight=\"600\"" : "", text(subject[i])
	panel(124, 16, 196, "TCP, 1 stream, Gbit/s", "%.2f", "tcp1_up", "tcp1_down")
	panel(334, 16, 196, "TCP, 8 streams, Gbit/s", "%.2f", "tcp8_up", "tcp8_down")
	panel(544, 16, 196, "CPU s per GB, both ends", "%.2f", "tcp1_up_cpu", "tcp1_down_cpu")
	panel(754, 16, 196, "64-byte packets, kpps", "%.0f", "packets64", "")
	note(h - 44, "Medians of interleaved runs, up and down together. Pale: no tunnel (its bar may be cut), and one that does nothing.")
	note(h - 28, "Both ends on one machine: " meta["hardware"] ".")
	note(h - 12, "Commit " meta["commit"] "; " meta["os"] ", " meta["kernel"] ".")
	print "</svg>"
}

function flow_points(r, at, scale,    i, v, points) {
	for (i = at - 50; i <= at + 50; i++) {
		v = (r ? flow[r, i - at + int(jump_at[r] / 10) + 1] : middle[i - at]) * 8 / 1e7
		points = points sprintf("%.1f,%.1f ", 60 + (i - at + 50) * 7.2, 250 - v * scale)
	}
	return points
}

function flow_plot(    r, i, j, n, most, v, t, scale, g) {
	for (i = -50; i <= 50; i++) {
		n = 0
		for (r = 1; r <= rounds; r++) if (r in jump_at) {
			v[++n] = flow[r, i + int(jump_at[r] / 10) + 1] + 0
			if (v[n] * 8 / 1e7 > most) most = v[n] * 8 / 1e7
			for (j = n; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
		}
		middle[i] = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	svg_open(820, 310)
	most = int(most) + 1
	scale = 200 / most
	g = most > 8 ? 4 : most > 4 ? 2 : 1
	for (i = 0; i <= most; i += g) {
		printf "<line class=\"grid\" x1=\"60\" x2=\"780\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"soft\" x=\"52\" y=\"%.1f\" text-anchor=\"end\">%d</text>\n", 250 - i * scale, 250 - i * scale, 254 - i * scale, i
	}
	for (i = -500; i <= 500; i += 100)
		printf "<text class=\"soft\" x=\"%d\" y=\"270\" text-anchor=\"middle\">%d</text>\n", 420 + i * 0.72, i
	print "<text class=\"ink\" x=\"60\" y=\"24\" font-weight=\"600\">One TCP stream at full rate, Gbit/s in each 10 ms around a jump by order</text>"
	for (r = 1; r <= rounds; r++) if (r in jump_at) printf "<polyline class=\"thin\" points=\"%s\"/>\n", flow_points(r, 50, scale)
	printf "<polyline class=\"line\" points=\"%s\"/>\n", flow_points(0, 50, scale)
	print "<line class=\"mark\" x1=\"420\" x2=\"420\" y1=\"40\" y2=\"250\"/><text class=\"markink\" x=\"426\" y=\"48\" font-size=\"12\">ordered</text>"
	printf "<text class=\"soft\" x=\"60\" y=\"298\" font-size=\"11\">ms from the order; thin: each of the runs, thick: their median. Commit %s.</text>\n</svg>\n", text(meta["commit"])
}

END {
	judge_jumps()
	if (kind == "json") write_json()
	else if (kind == "md") markdown()
	else if (kind == "readme") readme()
	else if (kind == "bars") bars()
	else if (kind == "flow") flow_plot()
}
