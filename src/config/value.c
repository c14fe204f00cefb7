/*
 * One text of the file to one value. YAML's guesses are errors here: what one reader takes for a
 * boolean, an octal number or nothing at all must be written so that every reader takes it for the same.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/parse.h"

struct clip clip(const char *text)
{
	struct clip c;
	size_t len = strlen(text);

	if (len > CLIP_MAX) {
		len = CLIP_MAX;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
		snprintf(c.text, sizeof(c.text), "%.*s...", (int)len, text);
	} else {
		snprintf(c.text, sizeof(c.text), "%s", text);
	}
	return c;
}

bool all_digits(const char *s)
{
	return *s && s[strspn(s, DIGIT)] == '\0';
}

static bool reads_as_bool(const struct node *n)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "y", "n" };

	for (size_t i = 0; n->plain && i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(n->text, words[i]))
			return true;
	return false;
}

/* For texts that are no numbers or booleans of our own. */
static bool text_fits(struct parse *p, const struct node *n)
{
	if (!reads_as_bool(n))
		return true;
	parse_error(p, n->at, "%s without quotes is a boolean in YAML; write \"%s\"", n->text, n->text);
	return false;
}

/* --- numbers --- */

static struct clip ppm_text(uint32_t ppm)
{
	struct clip c;
	int len = snprintf(c.text, sizeof(c.text), "%u.%06u", ppm / POLICY_PPM, ppm % POLICY_PPM);

	while (c.text[len - 1] == '0')
		c.text[--len] = '\0';
	if (c.text[len - 1] == '.')
		c.text[--len] = '\0';
	return c;
}

static bool out_of_range(struct parse *p, const struct key *k, const struct node *n)
{
	const char *power = k->type == KEY_POW2 ? "a power of two, " : "";
	const char *open = k->unit ? " (" : "", *close = k->unit ? ")" : "";

	if (k->type == KEY_FRACTION)
		parse_error(p, n->at, "%s is out of range; allowed: %s to %s", clip(n->text).text,
			    ppm_text(k->least).text, ppm_text(k->most).text);
	else
		parse_error(p, n->at, "%s is out of range; allowed: %s%s%u to %u%s%s%s", clip(n->text).text,
			    k->type == KEY_WORKERS ? "auto, or " : k->type == KEY_TABLE ? "auto, off, or " : "", power, k->least, k->most, open,
			    k->unit ? k->unit : "", close);
	return false;
}

/* "+1_000" to "1000" */
static bool without_marks(const char *s, char *out, size_t size)
{
	size_t len = 0;

	s += *s == '+';
	for (; *s && len < size - 1; s++)
		if (*s != '_')
			out[len++] = *s;
	out[len] = '\0';
	return !*s && all_digits(out);
}

/* What is not a decimal number: says what to write instead, where that can be known. */
static bool not_decimal(struct parse *p, const struct key *k, const struct node *n)
{
	const char *t = n->text;
	struct clip shown = clip(t);
	bool hex = t[0] == '0' && (t[1] == 'x' || t[1] == 'X');
	const char *bare = t + strspn(t, "0");
	char digits[16];

	if (!n->plain && t[0] && t[strspn(t, k->type == KEY_FRACTION ? DIGIT "." : DIGIT)] == '\0')
		parse_error(p, n->at, "\"%s\" is a text; write the number without quotes", shown.text);
	else if (all_digits(t))
		parse_error(p, n->at, "%s is octal to some readers of YAML; write %s", shown.text,
			    *bare ? clip(bare).text : "0");
	else if (hex && t[2] && strlen(t) <= 10 && t[2 + strspn(t + 2, DIGIT "abcdefABCDEF")] == '\0')
		parse_error(p, n->at, "%s is not decimal; write %llu", shown.text, strtoull(t, NULL, 16));
	else if (without_marks(t, digits, sizeof(digits)))
		parse_error(p, n->at, "%s is not decimal; write %s", shown.text, digits);
	else if (k->type == KEY_FRACTION)
		parse_error(p, n->at, "\"%s\" is not a number; write it as 1.25, at most 6 places",
			    shown.text);
	else if (k->type == KEY_WORKERS)
		parse_error(p, n->at, "\"%s\" is not a number of workers; allowed: auto, or %u to %u",
			    shown.text, k->least, k->most);
	else if (k->type == KEY_TABLE)
		parse_error(p, n->at, "\"%s\" is not the number of a routing table; allowed: auto, off, or %u to %u",
			    shown.text, k->least, k->most);
	else
		parse_error(p, n->at, "\"%s\" is not a whole number; write it in decimal%s%s", shown.text,
			    k->unit ? ", in " : "", k->unit ? k->unit : "");
	return false;
}

static bool read_decimal(struct parse *p, const struct key *k, const struct node *n, uint32_t *out)
{
	const char *t = n->text;
	uint64_t v = 0;

	if (n->plain && t[0] == '-' && all_digits(t + 1))
		return out_of_range(p, k, n);
	if (!n->plain || !all_digits(t) || (t[0] == '0' && t[1]))
		return not_decimal(p, k, n);
	for (; *t && v <= UINT32_MAX; t++)
		v = v * 10 + (uint64_t)(*t - '0');
	if (v < k->least || v > k->most)
		return out_of_range(p, k, n);
	*out = (uint32_t)v;
	return true;
}

static void store(const struct key *k, uint32_t v, void *out)
{
	if (k->size == 1)
		*(uint8_t *)out = (uint8_t)v;
	else if (k->size == 2)
		*(uint16_t *)out = (uint16_t)v;
	else
		*(uint32_t *)out = v;
}

static bool read_number(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	uint32_t v = 0;

	if (!read_decimal(p, k, n, &v))
		return false;
	if (k->type == KEY_POW2 && (v & (v - 1)))
		return out_of_range(p, k, n);
	store(k, v, out);
	return true;
}

static bool read_workers(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	if (!strcmp(n->text, "auto")) {
		store(k, 0, out);
		return true;
	}
	return read_number(p, k, n, out);
}

#define TABLE_LOCAL 255 /* RT_TABLE_LOCAL */

static bool read_table(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	if (!strcmp(n->text, "auto") || !strcmp(n->text, "off")) {
		store(k, n->text[0] == 'a' ? 0 : UINT32_MAX, out);
		return true;
	}
	if (!read_number(p, k, n, out))
		return false;
	if (*(const uint32_t *)out != TABLE_LOCAL)
		return true;
	parse_error(p, n->at, "%d is the kernel's own table of local addresses; take another", TABLE_LOCAL);
	return false;
}

/* Digits, perhaps a point and up to six more: 1, 0.20, 1.10 */
static bool read_fraction(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	const char *t = n->text;
	size_t whole = strspn(t, DIGIT);
	size_t places = t[whole] == '.' ? strspn(t + whole + 1, DIGIT) : 0;
	size_t len = places ? whole + 1 + places : whole;
	uint64_t v = 0;

	if (n->plain && t[0] == '-' && isdigit((unsigned char)t[1]))
		return out_of_range(p, k, n);
	if (!n->plain || !whole || t[len] || places > 6 || (t[0] == '0' && whole > 1))
		return not_decimal(p, k, n);
	if (whole > 4)
		return out_of_range(p, k, n);
	for (size_t i = 0; i < len; i++)
		if (t[i] != '.')
			v = v * 10 + (uint64_t)(t[i] - '0');
	for (size_t i = places; i < 6; i++)
		v *= 10;
	if (v < k->least || v > k->most)
		return out_of_range(p, k, n);
	store(k, (uint32_t)v, out);
	return true;
}

static bool read_bool(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	bool yes = !strcmp(n->text, "true");

	(void)k;
	if (n->plain && (yes || !strcmp(n->text, "false"))) {
		*(bool *)out = yes;
		return true;
	}
	parse_error(p, n->at,
		    "\"%s\" is not a boolean; write true or false, in lower case and without quotes",
		    clip(n->text).text);
	return false;
}

static bool read_auto(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	bool on = !strcmp(n->text, "auto");

	(void)k;
	if (on || !strcmp(n->text, "off")) {
		*(bool *)out = on;
		return true;
	}
	parse_error(p, n->at, "\"%s\" is neither auto nor off", clip(n->text).text);
	return false;
}

/* --- words and names --- */

static bool read_version(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	(void)k;
	(void)out;
	if (!strcmp(n->text, "1.0"))
		return true;
	parse_error(p, n->at, "\"%s\" is not a version this program reads; allowed: \"1.0\"",
		    clip(n->text).text);
	return false;
}

/* Its value was taken before all others; here it is only judged. */
static bool read_role(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	(void)k;
	(void)out;
	if (!strcmp(n->text, "server") || !strcmp(n->text, "client"))
		return true;
	parse_error(p, n->at, "\"%s\" is not a role; allowed: server, client", clip(n->text).text);
	return false;
}

static bool read_order(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	const bool shuffle = !strcmp(n->text, "shuffle");

	(void)k;
	*(enum config_order *)out = shuffle ? ORDER_SHUFFLE : ORDER_LISTED;
	if (shuffle || !strcmp(n->text, "listed"))
		return true;
	parse_error(p, n->at, "\"%s\" is not an order; allowed: listed, shuffle", clip(n->text).text);
	return false;
}

static bool read_facility(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	int number = facility_by_name(n->text);

	(void)k;
	if (number < 0) {
		parse_error(p, n->at, "\"%s\" is not a syslog facility; allowed: %s", clip(n->text).text,
			    FACILITY_NAMES);
		return false;
	}
	*(int *)out = number;
	return true;
}

static bool read_name(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	size_t len = strlen(n->text);

	if (!text_fits(p, n))
		return false;
	if (!isalnum((unsigned char)n->text[0]) || n->text[strspn(n->text, LOWER UPPER DIGIT "._@+-")] ||
	    len >= k->size) {
		parse_error(p, n->at,
			    "\"%s\" is not a name; allowed: 1 to %u of a-z A-Z 0-9 . _ @ + -, beginning "
			    "with a letter or digit",
			    clip(n->text).text, k->size - 1);
		return false;
	}
	memcpy(out, n->text, len + 1);
	return true;
}

static bool read_user(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	size_t len = strlen(n->text);

	if (!text_fits(p, n))
		return false;
	if (!len || !strchr(LOWER "_", n->text[0]) || n->text[strspn(n->text, LOWER DIGIT "_-")] ||
	    len >= k->size) {
		parse_error(p, n->at,
			    "\"%s\" is not the name of a user; allowed: 1 to %u of a-z 0-9 _ -, beginning "
			    "with a letter",
			    clip(n->text).text, k->size - 1);
		return false;
	}
	memcpy(out, n->text, len + 1);
	return true;
}

bool is_interface(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len < CONFIG_IFNAME_MAX && s[strspn(s, LOWER UPPER DIGIT "._@+-")] == '\0' &&
	       s[0] != '-' && strcmp(s, ".") && strcmp(s, "..");
}

static bool read_interface(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	(void)k;
	if (!text_fits(p, n))
		return false;
	if (!is_interface(n->text)) {
		parse_error(
			p, n->at,
			"\"%s\" is not the name of an interface; allowed: 1 to %d of a-z A-Z 0-9 . _ @ + -",
			clip(n->text).text, CONFIG_IFNAME_MAX - 1);
		return false;
	}
	memcpy(out, n->text, strlen(n->text) + 1);
	return true;
}

/* --- files and keys --- */

static bool read_path(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	char *path;

	if (!text_fits(p, n))
		return false;
	path = resolve_path(p, n->text);
	if (!path)
		return false;
	if (k->most && strlen(path) > k->most) {
		parse_error(p, n->at, "%zu characters are too many; allowed: %u", strlen(path), k->most);
		free(path);
		return false;
	}
	free(*(char **)out);
	*(char **)out = path;
	return true;
}

static bool read_key_file(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	char *path = text_fits(p, n) ? resolve_path(p, n->text) : NULL;
	bool ok = path && keyfile_read(p, k, n, path, out);

	free(path);
	return ok;
}

static bool read_public(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	static const uint8_t zero[32];
	uint8_t key[32];

	(void)k;
	if (!base64_decode(key, sizeof(key), n->text)) {
		parse_error(p, n->at,
			    "\"%s\" is not a public key; allowed: %d characters of base64, as \"jumpvpnd "
			    "pubkey\" writes them",
			    clip(n->text).text, KEY_BASE64_LEN);
		return false;
	}
	if (!memcmp(key, zero, sizeof(key))) {
		parse_error(p, n->at, "the all-zero key protects nothing; write the other side's public key");
		return false;
	}
	memcpy(out, key, sizeof(key));
	return true;
}

bool value_read(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	/* clang-format off */
	static bool (*const read[KEY_TYPES])(struct parse *, const struct key *, const struct node *,
					     void *) = {
		[KEY_VERSION] = read_version,     [KEY_ROLE] = read_role,
		[KEY_NUMBER] = read_number,       [KEY_POW2] = read_number,
		[KEY_FRACTION] = read_fraction,   [KEY_WORKERS] = read_workers,
		[KEY_TABLE] = read_table,
		[KEY_BOOL] = read_bool,           [KEY_FACILITY] = read_facility,
		[KEY_ORDER] = read_order,
		[KEY_AUTO] = read_auto,
		[KEY_NAME] = read_name,           [KEY_USER] = read_user,
		[KEY_INTERFACE] = read_interface, [KEY_FILE] = read_path,
		[KEY_PRIVATE] = read_key_file,    [KEY_PSK] = read_key_file,
		[KEY_PUBLIC] = read_public,       [KEY_IP] = value_ip,
		[KEY_ENDPOINT] = value_endpoint,  [KEY_REMOTE] = value_remote,
		[KEY_IPS] = value_ip,             [KEY_ADDRESSES] = value_prefix,
		[KEY_INNER] = value_prefix,       [KEY_ROUTES] = value_prefix,
		[KEY_LISTEN] = value_listen,      [KEY_REMOTES] = value_remote,
	};
	/* clang-format on */

	return read[k->type](p, k, n, out);
}
