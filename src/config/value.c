#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/text.h"
#include "config/address.h"
#include "config/files.h"
#include "config/keyfile.h"

static uint32_t load(const struct key *k, const void *at)
{
	return k->size == 0 ? 0 : k->size == 1 ? *(const uint8_t *)at : k->size == 2 ? *(const uint16_t *)at : *(const uint32_t *)at;
}

static void store(const struct key *k, uint32_t v, void *out)
{
	if (k->size == 1)
		*(uint8_t *)out = (uint8_t)v;
	else if (k->size == 2)
		*(uint16_t *)out = (uint16_t)v;
	else if (k->size == 4)
		*(uint32_t *)out = v;
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

/* --- words --- */

static const struct word *word_read(const struct key *k, const char *text)
{
	for (const struct word *w = value_type(k)->words; w && w->text; w++)
		if (!strcmp(w->text, text))
			return w;
	return NULL;
}

static bool read_word(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	const struct word *w = word_read(k, n->text);

	if (w && (n->plain || k->kind != KEY_BOOL)) {
		store(k, w->value, out);
		return true;
	}
	parse_error(p, n->at, "\"%s\" %s", parse_clip(n->text).text, value_type(k)->wrong);
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
	const char *also = value_type(k)->also ? value_type(k)->also : "";
	const char *open = k->unit ? " (" : "", *close = k->unit ? ")" : "";

	if (k->kind == KEY_FRACTION)
		parse_error(p, n->at, "%s is out of range; allowed: %s to %s", parse_clip(n->text).text,
			    ppm_text(k->least).text, ppm_text(k->most).text);
	else
		parse_error(p, n->at, "%s is out of range; allowed: %s%u to %u%s%s%s", parse_clip(n->text).text, also,
			    k->least, k->most, open, k->unit ? k->unit : "", close);
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
	return !*s && address_is_digits(out);
}

/* What is not a decimal number: says what to write instead, where that can be known. */
static bool not_decimal(struct parse *p, const struct key *k, const struct node *n)
{
	const struct key_type *type = value_type(k);
	const char *t = n->text;
	struct clip shown = parse_clip(t);
	bool hex = t[0] == '0' && (t[1] == 'x' || t[1] == 'X');
	const char *bare = t + strspn(t, "0");
	char digits[16];

	if (!n->plain && t[0] && t[strspn(t, k->kind == KEY_FRACTION ? DIGIT "." : DIGIT)] == '\0')
		parse_error(p, n->at, "\"%s\" is a text; write the number without quotes", shown.text);
	else if (address_is_digits(t))
		parse_error(p, n->at, "%s is octal to some readers of YAML; write %s", shown.text,
			    *bare ? parse_clip(bare).text : "0");
	else if (hex && t[2] && strlen(t) <= 10 && t[2 + strspn(t + 2, DIGIT "abcdefABCDEF")] == '\0')
		parse_error(p, n->at, "%s is not decimal; write %llu", shown.text, strtoull(t, NULL, 16));
	else if (without_marks(t, digits, sizeof(digits)))
		parse_error(p, n->at, "%s is not decimal; write %s", shown.text, digits);
	else if (k->kind == KEY_FRACTION)
		parse_error(p, n->at, "\"%s\" %s", shown.text, type->wrong);
	else if (type->words)
		parse_error(p, n->at, "\"%s\" %s; allowed: %s%u to %u", shown.text, type->wrong, type->also, k->least,
			    k->most);
	else
		parse_error(p, n->at, "\"%s\" %s%s%s", shown.text, type->wrong, k->unit ? ", in " : "",
			    k->unit ? k->unit : "");
	return false;
}

static bool read_decimal(struct parse *p, const struct key *k, const struct node *n, uint32_t *out)
{
	const char *t = n->text;
	uint64_t v = 0;

	if (n->plain && t[0] == '-' && address_is_digits(t + 1))
		return out_of_range(p, k, n);
	if (!n->plain || !address_is_digits(t) || (t[0] == '0' && t[1]))
		return not_decimal(p, k, n);
	for (; *t && v <= UINT32_MAX; t++)
		v = v * 10 + (uint64_t)(*t - '0');
	if (v < k->least || v > k->most || (k->kind == KEY_POW2 && (v & (v - 1))))
		return out_of_range(p, k, n);
	*out = (uint32_t)v;
	return true;
}

#define TABLE_LOCAL 255 /* RT_TABLE_LOCAL */

static bool read_number(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	const struct word *w = word_read(k, n->text);
	uint32_t v = w ? w->value : 0;

	if (!w && !read_decimal(p, k, n, &v))
		return false;
	if (k->kind == KEY_TABLE && v == TABLE_LOCAL) {
		parse_error(p, n->at, "%d is the kernel's own table of local addresses; take another", TABLE_LOCAL);
		return false;
	}
	store(k, v, out);
	return true;
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

/* --- names, files and keys --- */

static bool read_name(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	const struct key_type *type = value_type(k);
	const char *s = n->text;
	size_t len = strlen(s);

	if (!text_fits(p, n))
		return false;
	if (!len || !strchr(type->first, s[0]) || s[strspn(s, type->rest)] || len >= k->size || !strcmp(s, ".") ||
	    !strcmp(s, "..")) {
		parse_error(p, n->at, "\"%s\" %s; allowed: 1 to %u of %s", parse_clip(s).text, type->wrong, k->size - 1,
			    type->also);
		return false;
	}
	memcpy(out, s, len + 1);
	return true;
}

static bool read_path(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	char *path;

	if (!text_fits(p, n))
		return false;
	path = files_path(p, n->text);
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
	char *path = text_fits(p, n) ? files_path(p, n->text) : NULL;
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
			    parse_clip(n->text).text, KEY_BASE64_LEN);
		return false;
	}
	if (!memcmp(key, zero, sizeof(key))) {
		parse_error(p, n->at, "the all-zero key protects nothing; write the other side's public key");
		return false;
	}
	memcpy(out, key, sizeof(key));
	return true;
}

/* --- written --- */

static void write_number(FILE *to, const struct key *k, const void *at)
{
	const uint32_t v = load(k, at);

	for (const struct word *w = value_type(k)->words; w && w->text; w++) {
		if (w->value == v) {
			fputs(w->text, to);
			return;
		}
	}
	fprintf(to, "%u", v);
}

static void write_fraction(FILE *to, const struct key *k, const void *at)
{
	fprintf(to, "%g", load(k, at) / (double)POLICY_PPM);
}

static void write_name(FILE *to, const struct key *k, const void *at)
{
	const char *text = at;

	(void)k;
	fputs(text && text[0] ? text : "-", to);
}

static void write_public(FILE *to, const struct key *k, const void *at)
{
	char text[KEY_BASE64_LEN + 1];

	(void)k;
	base64_encode(text, at, 32);
	fputs(text, to);
}

static void write_secret(FILE *to, const struct key *k, const void *at)
{
	static const uint8_t zero[32];

	(void)k;
	fputs(memcmp(at, zero, sizeof(zero)) ? "(set, not shown)" : "-", to);
}

/* --- the types --- */

/* clang-format off */
#define WORDS(...) .words = (const struct word[]){ __VA_ARGS__, { NULL, 0 } }
#define NUMBER .wrong = "is not a whole number; write it in decimal", .read = read_number, .write = write_number
#define WORD .read = read_word, .write = write_number
#define NAME .read = read_name, .write = write_name
#define OF(type) .size = sizeof(type)
#define ADDRESS(name) .read = address_read_##name, .write = address_write_##name
#define LIST .shape = KEY_IS_LIST

const struct key_type value_types[KEY_KINDS] = {
	[KEY_VERSION] = { "the version \"1.0\"", WORD, WORDS({ "1.0", 0 }),
		.wrong = "is not a version this program reads; allowed: \"1.0\"" },
	[KEY_ROLE] = { "a role: server or client", WORD, WORDS({ "server", ROLE_SERVER }, { "client", ROLE_CLIENT }),
		.wrong = "is not a role; allowed: server, client" },
	[KEY_NUMBER] = { "a whole number", NUMBER },
	[KEY_POW2] = { "a whole number", NUMBER, .also = "a power of two, " },
	[KEY_FRACTION] = { "a number", .wrong = "is not a number; write it as 1.25, at most 6 places",
		.read = read_fraction, .write = write_fraction },
	[KEY_WORKERS] = { "auto or a whole number", WORDS({ "auto", 0 }), .wrong = "is not a number of workers",
		.also = "auto, or ", .read = read_number, .write = write_number },
	[KEY_TABLE] = { "auto, off or a whole number", WORDS({ "auto", 0 }, { "off", UINT32_MAX }),
		.wrong = "is not the number of a routing table", .also = "auto, off, or ", .read = read_number,
		.write = write_number },
	[KEY_BOOL] = { "true or false", WORD, WORDS({ "true", true }, { "false", false }),
		.wrong = "is not a boolean; write true or false, in lower case and without quotes" },
	[KEY_AUTO] = { "auto or off", WORD, WORDS({ "auto", true }, { "off", false }), .wrong = "is neither auto nor off" },
	[KEY_FACILITY] = { "a syslog facility", WORD,
		WORDS({ "auth", LOG_AUTH }, { "authpriv", LOG_AUTHPRIV }, { "daemon", LOG_DAEMON }, { "user", LOG_USER },
		      { "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 },
		      { "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 }),
		.wrong = "is not a syslog facility; allowed: auth, authpriv, daemon, user, local0 to local7" },
	[KEY_ORDER] = { "an order: listed or shuffle", WORD, WORDS({ "listed", ORDER_LISTED }, { "shuffle", ORDER_SHUFFLE }),
		.wrong = "is not an order; allowed: listed, shuffle" },
	[KEY_NAME] = { "a name", NAME, .first = LOWER UPPER DIGIT, .rest = LOWER UPPER DIGIT "._@+-",
		.wrong = "is not a name", .also = "a-z A-Z 0-9 . _ @ + -, beginning with a letter or digit" },
	[KEY_USER] = { "the name of a user", NAME, .first = LOWER "_", .rest = LOWER DIGIT "_-",
		.wrong = "is not the name of a user", .also = "a-z 0-9 _ -, beginning with a letter" },
	[KEY_INTERFACE] = { "the name of an interface", NAME, .first = LOWER UPPER DIGIT "._@+", .rest = ADDRESS_INTERFACE,
		.wrong = "is not the name of an interface", .also = "a-z A-Z 0-9 . _ @ + -" },
	[KEY_FILE] = { "the path of a file", OF(char *), .shape = KEY_IS_TEXT, .read = read_path, .write = write_name },
	[KEY_PRIVATE] = { "the path of a key file", .size = 32, .is_secret = true, .read = read_key_file, .write = write_secret },
	[KEY_PSK] = { "the path of a key file", .size = 32, .is_secret = true, .read = read_key_file, .write = write_secret },
	[KEY_PUBLIC] = { "a public key", .size = 32, .read = read_public, .write = write_public },
	[KEY_IP] = { "an address", OF(struct ip), ADDRESS(ip) },
	[KEY_ENDPOINT] = { "an endpoint", OF(struct endpoint), ADDRESS(endpoint) },
	[KEY_REMOTE] = { "an endpoint", OF(struct config_remote), ADDRESS(remote) },
	[KEY_IPS] = { "a list of addresses", OF(struct ip), LIST, ADDRESS(ip) },
	[KEY_ADDRESSES] = { "a list of addresses", OF(struct prefix), LIST, ADDRESS(prefix) },
	[KEY_INNER] = { "a list of addresses", OF(struct prefix), LIST, ADDRESS(prefix) },
	[KEY_ROUTES] = { "a list of networks", OF(struct prefix), LIST, ADDRESS(prefix) },
	[KEY_LISTEN] = { "a list of endpoints", OF(struct config_listen), LIST, ADDRESS(listen), .same = address_same_listen },
	[KEY_REMOTES] = { "a list of endpoints", OF(struct config_remote), LIST, ADDRESS(remote) },
	[KEY_PEERS] = { "a list of peers", OF(struct config_peer), .shape = KEY_IS_APART, .table = &peer_table },
	[KEY_TRANSPORTS] = { "a list of transports", OF(struct config_transport), LIST, .table = &transport_table },
	[KEY_POLICY] = { "a mapping", OF(struct policy), .table = &policy_table },
};
/* clang-format on */

/* --- whatever the type --- */

static const void *value_in(const struct key *k, const void *base)
{
	const char *at = (const char *)base + k->at;

	return value_type(k)->shape == KEY_IS_VALUE ? at : *(const void *const *)(const void *)at;
}

static size_t count_in(const struct key *k, const void *base)
{
	return *(const size_t *)(const void *)((const char *)base + k->count_at);
}

/* The bytes of the value, or of all elements, or of the text. */
static size_t bytes_in(const struct key *k, const void *base)
{
	switch (value_type(k)->shape) {
	case KEY_IS_LIST:
		return count_in(k, base) * value_size(k);
	case KEY_IS_TEXT:
		return strlen(value_in(k, base)) + 1;
	default:
		return value_size(k);
	}
}

bool value_read(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	return value_type(k)->read(p, k, n, out);
}

void value_write(FILE *to, const struct key *k, const void *base)
{
	const struct key_type *type = value_type(k);
	const char *at = value_in(k, base);

	if (type->shape != KEY_IS_LIST) {
		type->write(to, k, at);
		return;
	}
	if (count_in(k, base) == 0)
		fputs("-", to);
	for (size_t i = 0; i < count_in(k, base); i++) {
		if (i)
			fputs(", ", to);
		type->write(to, k, at + i * value_size(k));
	}
}

bool value_default(const struct key *k, void *base)
{
	char *at = (char *)base + k->at;

	if (value_type(k)->shape == KEY_IS_VALUE && !k->text)
		store(k, k->def, at);
	else if (value_type(k)->shape == KEY_IS_VALUE)
		snprintf(at, k->size, "%s", k->text);
	else if (k->text)
		return (*(char **)(void *)at = strdup(k->text)) != NULL;
	return true;
}

bool value_same(const struct key *k, const void *a, const void *b)
{
	const struct key_type *type = value_type(k);
	const char *x = value_in(k, a), *y = value_in(k, b);
	const size_t len = bytes_in(k, a);

	if (len != bytes_in(k, b))
		return false;
	if (!type->same)
		return len == 0 || memcmp(x, y, len) == 0;
	for (size_t i = 0; i < len; i += value_size(k))
		if (!type->same(x + i, y + i))
			return false;
	return true;
}

int value_copy(const struct key *k, void *to, const void *from)
{
	const struct key_type *type = value_type(k);
	const size_t len = bytes_in(k, from);
	char *at = (char *)to + k->at;
	void *kept;

	if (type->shape == KEY_IS_VALUE) {
		memcpy(at, value_in(k, from), len);
		return 0;
	}
	kept = malloc(len ? len : 1);
	if (!kept)
		return -ENOMEM;
	if (len)
		memcpy(kept, value_in(k, from), len);
	free(*(void **)(void *)at);
	*(void **)(void *)at = kept;
	if (type->shape == KEY_IS_LIST)
		*(size_t *)(void *)((char *)to + k->count_at) = count_in(k, from);
	if (k->set_at)
		*(bool *)((char *)to + k->set_at) = *(const bool *)((const char *)from + k->set_at);
	return 0;
}

void value_free(const struct key_table *t, void *base)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct key *k = &t->keys[i];
		char *at = (char *)base + k->at;

		if (value_type(k)->is_secret)
			explicit_bzero(at, value_size(k));
		if (value_type(k)->shape != KEY_IS_LIST && value_type(k)->shape != KEY_IS_TEXT)
			continue;
		free(*(void **)(void *)at);
		*(void **)(void *)at = NULL;
	}
}
