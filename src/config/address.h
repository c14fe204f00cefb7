/* Addresses, networks, endpoints and names of interfaces: read from one text, false after telling the error, and written. */
#pragma once

#include <stdio.h>

#include "config/parse.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

bool address_is_digits(const char *s);
/* What the kernel takes for an interface's name, less what would need quoting in a shell or a log. */
#define ADDRESS_INTERFACE LOWER UPPER DIGIT "._@+-"
bool address_is_interface(const char *s);

bool address_read_ip(struct parse *p, const struct key *k, const struct node *n, void *out);
bool address_read_prefix(struct parse *p, const struct key *k, const struct node *n, void *out);
bool address_read_endpoint(struct parse *p, const struct key *k, const struct node *n, void *out);
bool address_read_listen(struct parse *p, const struct key *k, const struct node *n, void *out);
bool address_read_remote(struct parse *p, const struct key *k, const struct node *n, void *out);

void address_write_ip(FILE *to, const struct key *k, const void *at);
void address_write_prefix(FILE *to, const struct key *k, const void *at);
void address_write_endpoint(FILE *to, const struct key *k, const void *at);
void address_write_listen(FILE *to, const struct key *k, const void *at);
void address_write_remote(FILE *to, const struct key *k, const void *at);
bool address_same_listen(const void *a, const void *b);
