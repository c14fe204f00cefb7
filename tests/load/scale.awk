# From the figures of tests/load/scale.sh to a table (-v kind=md) and a plot (-v kind=svg).

BEGIN { FS = "\t"; colours = split("#0969da #1a7f37 #9a6700 #8250df #cf222e", colour, " ") }
FILENAME ~ /meta$/ { meta[$1] = $2; next }
!($1 in seen) { seen[$1] = 1; number[++numbers] = $1 }
NF == 4 { n = ++points[$1, $2]; at[$1, $2, n] = $4; value[$1, $2, n] = $3; next }
{ v[$1, $2] = $3 }

function cpu(n, phase) { return v[n, phase ".server_user_s"] + v[n, phase ".server_system_s"] }
function per(n, phase, events) { return events > 0 ? cpu(n, phase) * 1e6 / events : 0 }

# What is plotted, and stands in the table.
function bytes(n) { return (v[n, "ramp.server_rss_kib"] - v[n, "start.server_rss_kib"]) * 1024 / n }
function handshake(n) { return per(n, "ramp", n) }
function jump(n) { return per(n, "storm", v[n, "storm.attached"]) }
function rekey(n) { return per(n, "rekey", n) }
function idle(n) { return v[n, "idle.seconds"] > 0 ? cpu(n, "idle") / v[n, "idle.seconds"] * 100 : 0 }
function goodput(n,    sent) {
	sent = v[n, "storm.data_sent"] + v[n, "after-storm.data_sent"]
	return sent > 0 ? (v[n, "storm.data_back"] + v[n, "after-storm.data_back"]) * 100 / sent : 0
}
function thousands(n,    t) {
	t = sprintf("%d", n)
	while (match(t, /[0-9][0-9][0-9][0-9]($|,)/)) t = substr(t, 1, RSTART) "," substr(t, RSTART + 1)
	return t
}
function about() {
	return meta["processor"] ", " meta["processors"] " of them, shared with the clients; " meta["os"] ", Linux " meta["kernel"] "; " \
		meta["workers"] " worker(s); UDP over IPv4, a veth pair, no loss, RTT " meta["rtt_ms"] " ms"
}

function md(    i, n) {
	print "# What sessions cost, by their number\n\n" about() ". " meta["date"] ".\n"
	printf "| | |"
	for (i = 1; i <= numbers; i++) printf " %s |", thousands(number[i])
	printf "\n|---|---|"
	for (i = 1; i <= numbers; i++) printf "--:|"
	line("memory of a session (RSS after the ramp, less that before it)", "bytes", "bytes")
	line("handshake, with its COOKIE, its attachment and its records", "us of CPU", "handshake")
	line("jump, with its records", "us of CPU", "jump")
	line("exchange of new keys", "us of CPU", "rekey")
	line("all idle", "% of a core", "idle")
	line("ramp, until the last is attached", "s", "ramp.last_attached_s")
	line("all paths die at once, until the last is attached", "s", "storm.last_attached_s")
	line("DATA of 100 others that came back, from the storm to 3 s behind it", "%", "goodput")
	line("all make new keys at once", "s", "rekey.seconds")
	line("server killed, from its start until the last is attached, all asking at once", "s", "restart.last_attached_s")
	line("`jumpvpnd status`", "s", "status-took.seconds")
	line("`jumpvpnd sessions`", "s", "sessions-took.seconds")
	line("a scrape of the metrics", "s", "scrape-took.seconds")
	print "\n\n![](scale.svg)\n\nTimes of CPU are those of the whole server, in steps of 10 ms: of few sessions they are rough."
	print "Made by `make bench-scale`; each number by itself: `make load N=...`, whose JSON is kept in `load-N/load.json`."
}
function of(what, n) {
	if (what == "bytes") return bytes(n)
	if (what == "handshake") return handshake(n)
	if (what == "jump") return jump(n)
	if (what == "rekey") return rekey(n)
	if (what == "idle") return idle(n)
	if (what == "goodput") return goodput(n)
	return v[n, what]
}
function line(name, unit, what,    i, x) {
	printf "\n| %s | %s |", name, unit
	for (i = 1; i <= numbers; i++) {
		x = of(what, number[i])
		printf((x >= 100 ? " %.0f |" : " %.2f |"), x)
	}
}

# --- the plot: three frames side by side ---

function text(x, y, anchor, class, s) { printf "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", class, x, y, anchor, s }
function nice(top,    p) {
	p = 1
	while (p * 10 <= top) p *= 10
	while (p > top && p > 1e-6) p /= 10
	return top <= p ? p : top <= 2 * p ? 2 * p : top <= 5 * p ? 5 * p : 10 * p
}
# A frame at x, of a width, for values up to `top`, with lines at its fifths.
function frame(x, w, top, title,    i, y) {
	text(x, 30, "start", "ink head", title)
	for (i = 0; i <= 4; i++) {
		y = 260 - i * 50
		printf "<line class=\"grid\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", x, y, x + w, y
		text(x - 6, y + 4, "end", "soft", top * i / 4 < 10 && top % 4 ? sprintf("%.1f", top * i / 4) : thousands(top * i / 4))
	}
}
function x_of(i, x, w) { return numbers == 1 ? x + w / 2 : x + 20 + (w - 40) * (i - 1) / (numbers - 1) }
function series(what, name, k, x, w, top,    i, path) {
	for (i = 1; i <= numbers; i++) {
		path = path sprintf("%s%.1f,%.1f", i == 1 ? "" : " ", x_of(i, x, w), 260 - 200 * of(what, number[i]) / top)
		printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x_of(i, x, w), 260 - 200 * of(what, number[i]) / top, colour[k]
	}
	printf "<polyline class=\"line\" stroke=\"%s\" points=\"%s\"/>\n", colour[k], path
	if (name != "") {
		printf "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"3\" fill=\"%s\"/>\n", x + 4 + (k - 1) * 90, 45, colour[k]
		text(x + 18 + (k - 1) * 90, 50, "start", "soft", name)
	}
}
function numbers_below(x, w,    i) {
	for (i = 1; i <= numbers; i++) text(x_of(i, x, w), 278, "middle", "soft", thousands(number[i]))
	text(x + w / 2, 296, "middle", "soft", "sessions")
}
function most(what, before,    i, x) {
	for (i = 1; i <= numbers; i++) if ((x = of(what, number[i])) > before) before = x
	return before
}
# The share that is attached, from the moment of the storm; of each number.
function recovery(x, w,    i, k, n, end, path, count) {
	for (i = 1; i <= numbers; i++)
		for (k = 1; k <= points[number[i], "storm.curve"]; k++)
			if (at[number[i], "storm.curve", k] > end) end = at[number[i], "storm.curve", k]
	end = nice(end > 0 ? end : 1)
	for (i = 1; i <= numbers; i++) {
		n = number[i]
		path = ""
		count = points[n, "storm.curve"]
		for (k = 2; k <= count; k++) # the first one is from before
			path = path sprintf("%.1f,%.1f ", x + w * at[n, "storm.curve", k] / end, 260 - 200 * value[n, "storm.curve", k] / n)
		path = path sprintf("%.1f,60 %.1f,60", x + w * v[n, "storm.last_attached_s"] * 1000 / end, x + w)
		printf "<polyline class=\"line\" stroke=\"%s\" points=\"%s\"/>\n", colour[i], path
		printf "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"3\" fill=\"%s\"/>\n", x + 4 + (i - 1) * 90, 45, colour[i]
		text(x + 18 + (i - 1) * 90, 50, "start", "soft", thousands(n))
	}
	for (k = 0; k <= 4; k++) text(x + w * k / 4, 278, "middle", "soft", thousands(end * k / 4))
	text(x + w / 2, 296, "middle", "soft", "ms after all paths died")
}
function svg(    top) {
	print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1080 330\" width=\"1080\" height=\"330\" font-family=\"system-ui, sans-serif\" font-size=\"12\">"
	print "<style>.back { fill: #ffffff } .ink { fill: #1f2328 } .soft { fill: #59636e } .head { font-weight: 600 } .grid { stroke: #d1d9e0 } .line { fill: none; stroke-width: 2 }"
	print "@media (prefers-color-scheme: dark) { .back { fill: #0d1117 } .ink { fill: #f0f6fc } .soft { fill: #9198a1 } .grid { stroke: #3d444d } }</style>"
	print "<rect class=\"back\" width=\"1080\" height=\"330\"/>"
	top = nice(most("bytes", 1))
	frame(60, 280, top, "Bytes of a session at the server")
	series("bytes", "", 1, 60, 280, top)
	numbers_below(60, 280)
	top = nice(most("rekey", most("jump", most("handshake", 1))))
	frame(420, 280, top, "CPU of the server, us for each")
	series("handshake", "handshake", 1, 420, 280, top)
	series("jump", "jump", 2, 420, 280, top)
	series("rekey", "new keys", 3, 420, 280, top)
	numbers_below(420, 280)
	frame(780, 280, 100, "% attached after a storm")
	recovery(780, 280)
	text(540, 320, "middle", "soft", about())
	print "</svg>"
}
END { if (kind == "md") md(); else svg() }
