# A flame graph (SVG) of folded stacks, sorted: -v title=... -v note=...; the width of a frame is its share of the samples.

BEGIN { width = 1180; row = 17; left = 10; top = 40 }
{
	n = $NF
	sub(/ [0-9]+$/, "")
	stack[++lines] = $0
	weight[lines] = n
	total += n
	if (split($0, part, ";") > deepest) deepest = split($0, part, ";")
}
function text(s) { gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); return s }

# Warm and even: one library, one hue.
function colour(path,    hue, i, name) {
	hue = path ~ /IPSec|sodium|mbed/ ? 265 : path ~ /^user space;jumpvpnd/ ? 212 : path ~ /^user space/ ? 190 : path ~ /^kernel/ ? 28 : 0
	name = path
	sub(/.*;/, "", name)
	for (i = 1; i <= length(name); i++) spread = (spread * 31 + index("abcdefghijklmnopqrstuvwxyz_", substr(name, i, 1))) % 97
	return sprintf("hsl(%d,%d%%,%d%%)", hue + spread % 9, 62, 66 + spread % 13)
}

function close_frame(level,    w, x, y, name, fits, share) {
	w = (at - begun[level]) / total * width
	if (w < 0.4) return
	x = left + begun[level] / total * width
	y = top + (deepest - level) * row
	name = open[level]
	sub(/.*;/, "", name)
	share = (at - begun[level]) / total * 100
	fits = int(w / 6.4)
	printf "<g><title>%s: %.1f %%</title><rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"1\" fill=\"%s\"/>", text(name), share, x, y, (w > 0.7 ? w - 0.3 : w), row - 1, colour(open[level])
	if (fits >= 4) printf "<text x=\"%.1f\" y=\"%d\">%s</text>", x + 3, y + 12, text((length(name) > fits) ? substr(name, 1, fits - 1) "…" : name)
	print "</g>"
}

END {
	height = top + deepest * row + 34
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" font-family=\"system-ui, sans-serif\" font-size=\"11\">\n", width + 2 * left, height, width + 2 * left, height
	printf "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", width + 2 * left, height
	printf "<text x=\"%d\" y=\"24\" font-size=\"14\" font-weight=\"600\">%s</text>\n", left, text(title)
	levels = 0
	for (i = 1; i <= lines + 1; i++) {
		depth = i <= lines ? split(stack[i], part, ";") : 0
		path = ""
		same = 0
		for (k = 1; k <= depth && k <= levels; k++) {
			if (open[k] != (path == "" ? part[k] : path ";" part[k])) break
			path = open[k]
			same = k
		}
		for (k = levels; k > same; k--) close_frame(k)
		path = same ? open[same] : ""
		for (k = same + 1; k <= depth; k++) {
			path = path == "" ? part[k] : path ";" part[k]
			open[k] = path
			begun[k] = at + 0
		}
		levels = depth
		at += weight[i]
	}
	printf "<text x=\"%d\" y=\"%d\" fill=\"#59636e\">%s</text>\n</svg>\n", left, height - 12, text(note)
}
