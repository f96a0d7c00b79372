// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/*
 * A plugin for Mosquitto 2 that lets in whom Tegata lets in, and cuts who is let in no more.
 *
 * It asks a process beside the broker, `tegata mqtt-guard`, over a unix socket. Lines of text go both ways; each speaks of
 * one certificate, by its serial number, and none waits for another:
 *
 *   ask SERIAL SHA256          this certificate is here; tell me of it until it is gone
 *   gone SERIAL                no session has it any more
 *   yes SERIAL DEVICE SECONDS  the device may be here, for so long without hearing from the guard
 *   no SERIAL REASON           it may not, from now on
 *
 * TLS has proven the certificate's key before the plugin is asked. The user name becomes the device's id.
 *
 * It fails closed: a session whose time is over is cut, and without an answer nobody comes in. The broker calls plugins
 * in its only thread, so a question waits ANSWER_MILLIS at the most, and none is sent while the guard is away.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <openssl/bn.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#define ANSWER_MILLIS 2000
#define RETRY_SECONDS 1
#define BUCKETS 16384
#define MAX_TOPICS 16
#define SERIAL_SIZE 64
#define DIGEST_SIZE 65
#define DEVICE_SIZE 37
#define LINE_SIZE 256

/* A client that is connected, or about to be. */
struct session {
    struct session *next;           /* of those with this hash of the client id */
    struct session *next_by_serial; /* of those with this hash of the serial number */
    const struct mosquitto *client;
    char *client_id;
    char serial[SERIAL_SIZE];
    char digest[DIGEST_SIZE];
    char device[DEVICE_SIZE];
    time_t until;
    bool out;
};

struct plugin {
    mosquitto_plugin_id_t *id;
    char *path;
    int socket;
    time_t retry_at;
    time_t swept_at;
    char input[4096];
    size_t input_size;
    struct session *sessions[BUCKETS];
    struct session *by_serial[BUCKETS];
    char *publish[MAX_TOPICS];
    int publish_count;
    char *subscribe[MAX_TOPICS];
    int subscribe_count;
    bool any_client_id;
    /* The question that basic_auth waits for. */
    struct session *asking;
    bool answered;
};

static time_t now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static long now_millis(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- sessions */

static unsigned bucket_of(const char *text)
{
    unsigned hash = 2166136261u;
    for (const char *c = text; *c; c++) {
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    }
    return hash % BUCKETS;
}

static struct session *find(const struct plugin *plugin, const char *client_id)
{
    struct session *session = plugin->sessions[bucket_of(client_id)];
    while (session && strcmp(session->client_id, client_id) != 0) {
        session = session->next;
    }
    return session;
}

static void add(struct plugin *plugin, struct session *session)
{
    unsigned bucket = bucket_of(session->client_id);
    session->next = plugin->sessions[bucket];
    plugin->sessions[bucket] = session;
    bucket = bucket_of(session->serial);
    session->next_by_serial = plugin->by_serial[bucket];
    plugin->by_serial[bucket] = session;
}

static void dispose(struct session *session)
{
    free(session->client_id);
    free(session);
}

static void take_out(struct plugin *plugin, struct session *session)
{
    struct session **at = &plugin->sessions[bucket_of(session->client_id)];
    while (*at && *at != session) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = session->next;
    }
    at = &plugin->by_serial[bucket_of(session->serial)];
    while (*at && *at != session) {
        at = &(*at)->next_by_serial;
    }
    if (*at) {
        *at = session->next_by_serial;
    }
}

/* The first session of this certificate, from `session` on. */
static struct session *with_serial(struct session *session, const char *serial)
{
    while (session && strcmp(session->serial, serial) != 0) {
        session = session->next_by_serial;
    }
    return session;
}

static struct session *first_with_serial(const struct plugin *plugin, const char *serial)
{
    return with_serial(plugin->by_serial[bucket_of(serial)], serial);
}

/* The session of this very connection: a newer one with its client id takes its place. */
static struct session *of_client(const struct plugin *plugin, const struct mosquitto *client)
{
    const char *client_id = mosquitto_client_id(client);
    struct session *session = client_id ? find(plugin, client_id) : NULL;
    return session && session->client == client ? session : NULL;
}

/* ---- the guard */

static void hang_up(struct plugin *plugin)
{
    if (plugin->socket >= 0) {
        close(plugin->socket);
        plugin->socket = -1;
        mosquitto_log_printf(MOSQ_LOG_WARNING, "tegata: the guard at %s is away", plugin->path);
    }
    plugin->input_size = 0;
    plugin->retry_at = now_seconds() + RETRY_SECONDS;
}

static bool tell(struct plugin *plugin, const char *line)
{
    size_t size = strlen(line);
    if (plugin->socket < 0) {
        return false;
    }
    while (size > 0) {
        ssize_t sent = send(plugin->socket, line, size, MSG_NOSIGNAL);
        if (sent > 0) {
            line += sent;
            size -= (size_t)sent;
        } else if (sent < 0 && errno == EINTR) {
            continue;
        } else {
            struct pollfd writable = {plugin->socket, POLLOUT, 0};
            if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && poll(&writable, 1, ANSWER_MILLIS) == 1) {
                continue;
            }
            hang_up(plugin);
            return false;
        }
    }
    return true;
}

static bool ask(struct plugin *plugin, const struct session *session)
{
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "ask %s %s\n", session->serial, session->digest);
    return tell(plugin, line);
}

/* Connects where that is due, and asks again about everybody who is here. */
static void dial(struct plugin *plugin)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (plugin->socket >= 0 || now_seconds() < plugin->retry_at) {
        return;
    }
    strncpy(address.sun_path, plugin->path, sizeof address.sun_path - 1);
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0 || connect(made, (struct sockaddr *)&address, sizeof address) != 0) {
        if (made >= 0) {
            close(made);
        }
        plugin->retry_at = now_seconds() + RETRY_SECONDS;
        return;
    }
    fcntl(made, F_SETFL, fcntl(made, F_GETFL) | O_NONBLOCK);
    plugin->socket = made;
    mosquitto_log_printf(MOSQ_LOG_NOTICE, "tegata: the guard at %s is here", plugin->path);
    for (int i = 0; i < BUCKETS; i++) {
        for (struct session *session = plugin->sessions[i]; session; session = session->next) {
            if (!ask(plugin, session)) {
                return;
            }
        }
    }
}

static void judge(struct session *session, const char *device, long seconds)
{
    if (strcmp(device, session->device) != 0) {
        if (session->device[0] != '\0') {
            session->out = true; /* A certificate does not change devices. */
            return;
        }
        snprintf(session->device, sizeof session->device, "%s", device);
    }
    session->out = false;
    session->until = now_seconds() + seconds;
}

static void hear(struct plugin *plugin, const char *line)
{
    char serial[SERIAL_SIZE];
    char device[DEVICE_SIZE];
    char reason[64];
    long seconds = 0;
    bool in = sscanf(line, "yes %63s %36s %ld", serial, device, &seconds) == 3 && seconds > 0;
    if (!in && sscanf(line, "no %63s %63s", serial, reason) != 2) {
        return;
    }
    if (plugin->asking && strcmp(plugin->asking->serial, serial) == 0) {
        plugin->answered = true;
        if (in) {
            judge(plugin->asking, device, seconds);
        } else {
            plugin->asking->out = true;
            mosquitto_log_printf(MOSQ_LOG_NOTICE, "tegata: certificate %s is refused: %s", serial, reason);
        }
    }
    struct session *session = first_with_serial(plugin, serial);
    for (; session; session = with_serial(session->next_by_serial, serial)) {
        if (in) {
            judge(session, device, seconds);
        } else if (!session->out) {
            session->out = true;
            plugin->swept_at = 0;
            mosquitto_log_printf(
                MOSQ_LOG_NOTICE, "tegata: device %s is let in no more: %s", session->device, reason);
        }
    }
}

/* Reads what the guard has said, without waiting. */
static void listen_now(struct plugin *plugin)
{
    while (plugin->socket >= 0) {
        ssize_t got = recv(
            plugin->socket, plugin->input + plugin->input_size, sizeof plugin->input - plugin->input_size - 1, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }
        if (got <= 0) {
            hang_up(plugin);
            return;
        }
        plugin->input_size += (size_t)got;
        plugin->input[plugin->input_size] = '\0';
        char *line = plugin->input;
        for (char *end = strchr(line, '\n'); end; end = strchr(line, '\n')) {
            *end = '\0';
            hear(plugin, line);
            line = end + 1;
        }
        plugin->input_size -= (size_t)(line - plugin->input);
        memmove(plugin->input, line, plugin->input_size);
        if (plugin->input_size >= LINE_SIZE) {
            hang_up(plugin); /* No line is that long. */
        }
    }
}

static void wait_for_answer(struct plugin *plugin)
{
    long end = now_millis() + ANSWER_MILLIS;
    while (!plugin->answered && plugin->socket >= 0) {
        long left = end - now_millis();
        struct pollfd readable = {plugin->socket, POLLIN, 0};
        if (left <= 0 || poll(&readable, 1, (int)left) < 1) {
            return;
        }
        listen_now(plugin);
    }
}

/* ---- events */

/* Forgets a session; the guard need not watch a certificate that nobody has any more. */
static void forget(struct plugin *plugin, struct session *session)
{
    char line[LINE_SIZE];
    take_out(plugin, session);
    if (!first_with_serial(plugin, session->serial)) {
        snprintf(line, sizeof line, "gone %s\n", session->serial);
        tell(plugin, line);
    }
    dispose(session);
}

static bool identify(const struct mosquitto *client, struct session *session)
{
    X509 *certificate = mosquitto_client_certificate(client);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    unsigned char *encoded = NULL;
    bool known = false;
    if (!certificate) {
        return false;
    }
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get_serialNumber(certificate), NULL);
    char *serial = number ? BN_bn2hex(number) : NULL;
    int size = i2d_X509(certificate, &encoded);
    if (serial && size > 0 && strlen(serial) < SERIAL_SIZE) {
        snprintf(session->serial, sizeof session->serial, "%s", serial);
        SHA256(encoded, (size_t)size, digest);
        for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
            snprintf(session->digest + 2 * i, 3, "%02x", digest[i]);
        }
        known = true;
    }
    OPENSSL_free(encoded);
    OPENSSL_free(serial);
    BN_free(number);
    X509_free(certificate);
    return known;
}

/* Whoever could take any client id could take another device's session, and what waits in it. */
static bool is_its_own(const struct plugin *plugin, const struct session *session)
{
    size_t size = strlen(session->device);
    char after = strncmp(session->client_id, session->device, size) == 0 ? session->client_id[size] : 'x';
    return plugin->any_client_id || after == '\0' || after == '-';
}

static int on_connect(int event, void *event_data, void *userdata)
{
    struct mosquitto_evt_basic_auth *data = event_data;
    struct plugin *plugin = userdata;
    const char *client_id = mosquitto_client_id(data->client);
    struct session *session = calloc(1, sizeof *session);
    (void)event;
    if (!session || !client_id || !(session->client_id = strdup(client_id))) {
        free(session);
        return MOSQ_ERR_AUTH;
    }
    session->client = data->client;
    dial(plugin);
    listen_now(plugin);
    if (!identify(data->client, session) || !ask(plugin, session)) {
        dispose(session);
        return MOSQ_ERR_AUTH;
    }
    session->out = true;
    plugin->asking = session;
    plugin->answered = false;
    wait_for_answer(plugin);
    plugin->asking = NULL;
    if (session->out || !is_its_own(plugin, session)
        || mosquitto_set_username(data->client, session->device) != MOSQ_ERR_SUCCESS) {
        if (!session->out) {
            mosquitto_log_printf(
                MOSQ_LOG_NOTICE, "tegata: device %s may not use client id '%s'", session->device, client_id);
        }
        dispose(session);
        return MOSQ_ERR_AUTH;
    }
    /* The broker is about to close an older connection with this client id. */
    struct session *older = find(plugin, client_id);
    add(plugin, session);
    if (older) {
        forget(plugin, older);
    }
    return MOSQ_ERR_SUCCESS;
}

static int on_disconnect(int event, void *event_data, void *userdata)
{
    struct mosquitto_evt_disconnect *data = event_data;
    struct plugin *plugin = userdata;
    struct session *session = of_client(plugin, data->client);
    (void)event;
    if (session) {
        forget(plugin, session);
    }
    return MOSQ_ERR_SUCCESS;
}

/*
 * Whether all that `wanted` (a topic or a filter) names lies within `pattern`, in which %d is the device's id.
 */
static bool lies_within(const char *pattern, const char *device, const char *wanted)
{
    const char *p = pattern;
    const char *w = wanted;
    while (*p) {
        if (strcmp(p, "#") == 0) {
            return true;
        }
        if (*p == '+' && (p[1] == '/' || p[1] == '\0')) {
            if (*w == '#') {
                return false;
            }
            while (*w && *w != '/') {
                w++;
            }
            p++;
        } else if (p[0] == '%' && p[1] == 'd') {
            size_t size = strlen(device);
            if (strncmp(w, device, size) != 0) {
                return false;
            }
            w += size;
            p += 2;
        } else if (*p == *w && *w != '+' && *w != '#') {
            p++;
            w++;
        } else {
            /* spec| MQTT 4.7.1.2: "a/#" also matches "a" itself. */
            return *w == '\0' && strcmp(p, "/#") == 0;
        }
    }
    return *w == '\0';
}

static bool any(char *const *patterns, int count, const char *device, const char *wanted)
{
    for (int i = 0; i < count; i++) {
        if (lies_within(patterns[i], device, wanted)) {
            return true;
        }
    }
    return false;
}

static int on_access(int event, void *event_data, void *userdata)
{
    struct mosquitto_evt_acl_check *data = event_data;
    struct plugin *plugin = userdata;
    struct session *session = of_client(plugin, data->client);
    (void)event;
    if (!session && data->access == MOSQ_ACL_READ && mosquitto_client_username(data->client)) {
        /* It is not connected: the message waits for it, and it gets it when it is let in again. */
        return any(plugin->subscribe, plugin->subscribe_count, mosquitto_client_username(data->client), data->topic)
                   ? MOSQ_ERR_SUCCESS
                   : MOSQ_ERR_ACL_DENIED;
    }
    if (!session || session->out || session->until <= now_seconds()) {
        return MOSQ_ERR_ACL_DENIED;
    }
    if (data->access == MOSQ_ACL_UNSUBSCRIBE) {
        return MOSQ_ERR_SUCCESS;
    }
    bool within = data->access == MOSQ_ACL_WRITE
                      ? any(plugin->publish, plugin->publish_count, session->device, data->topic)
                      : any(plugin->subscribe, plugin->subscribe_count, session->device, data->topic);
    return within ? MOSQ_ERR_SUCCESS : MOSQ_ERR_ACL_DENIED;
}

/* Cuts everybody whose time is over. To cut one calls on_disconnect, which changes the lists: so begin anew each time. */
static bool cut_one(struct plugin *plugin, time_t now)
{
    for (int i = 0; i < BUCKETS; i++) {
        for (struct session *session = plugin->sessions[i]; session; session = session->next) {
            if (session->out || session->until <= now) {
                char *client_id = strdup(session->client_id);
                mosquitto_log_printf(MOSQ_LOG_NOTICE, "tegata: cutting device %s", session->device);
                forget(plugin, session);
                if (client_id) {
                    mosquitto_kick_client_by_clientid(client_id, true);
                    free(client_id);
                }
                return true;
            }
        }
    }
    return false;
}

static int on_tick(int event, void *event_data, void *userdata)
{
    struct plugin *plugin = userdata;
    (void)event;
    (void)event_data;
    dial(plugin);
    listen_now(plugin);
    time_t now = now_seconds();
    if (now != plugin->swept_at) {
        while (cut_one(plugin, now)) {
        }
        plugin->swept_at = now;
    }
    return MOSQ_ERR_SUCCESS;
}

/* ---- the plugin */

int mosquitto_plugin_version(int supported_version_count, const int *supported_versions)
{
    for (int i = 0; i < supported_version_count; i++) {
        if (supported_versions[i] == 5) {
            return 5;
        }
    }
    return -1;
}

static bool keep(char **patterns, int *count, const char *pattern)
{
    return *count < MAX_TOPICS && (patterns[*count] = strdup(pattern)) && ++*count;
}

static bool configure(struct plugin *plugin, struct mosquitto_opt *options, int option_count)
{
    bool good = true;
    for (int i = 0; i < option_count && good; i++) {
        const char *key = options[i].key;
        const char *value = options[i].value;
        if (strcmp(key, "guard") == 0) {
            free(plugin->path);
            good = (plugin->path = strdup(value)) != NULL;
        } else if (strcmp(key, "publish") == 0) {
            good = keep(plugin->publish, &plugin->publish_count, value);
        } else if (strcmp(key, "subscribe") == 0) {
            good = keep(plugin->subscribe, &plugin->subscribe_count, value);
        } else if (strcmp(key, "client_id") == 0 && (strcmp(value, "device") == 0 || strcmp(value, "any") == 0)) {
            plugin->any_client_id = strcmp(value, "any") == 0;
        } else {
            mosquitto_log_printf(MOSQ_LOG_ERR, "tegata: unknown option '%s %s'", key, value);
            return false;
        }
    }
    if (good && plugin->publish_count == 0) {
        good = keep(plugin->publish, &plugin->publish_count, "devices/%d/#");
    }
    if (good && plugin->subscribe_count == 0) {
        good = keep(plugin->subscribe, &plugin->subscribe_count, "devices/%d/#");
    }
    if (!plugin->path || strlen(plugin->path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "tegata: plugin_opt_guard must be the path of the guard's socket");
        return false;
    }
    return good;
}

int mosquitto_plugin_init(
    mosquitto_plugin_id_t *identifier, void **userdata, struct mosquitto_opt *options, int option_count)
{
    struct plugin *plugin = calloc(1, sizeof *plugin);
    if (!plugin) {
        return MOSQ_ERR_NOMEM;
    }
    plugin->id = identifier;
    plugin->socket = -1;
    *userdata = plugin;
    if (!configure(plugin, options, option_count)) {
        return MOSQ_ERR_INVAL;
    }
    dial(plugin);
    int rc = mosquitto_callback_register(identifier, MOSQ_EVT_BASIC_AUTH, on_connect, NULL, plugin);
    rc = rc ? rc : mosquitto_callback_register(identifier, MOSQ_EVT_ACL_CHECK, on_access, NULL, plugin);
    rc = rc ? rc : mosquitto_callback_register(identifier, MOSQ_EVT_DISCONNECT, on_disconnect, NULL, plugin);
    return rc ? rc : mosquitto_callback_register(identifier, MOSQ_EVT_TICK, on_tick, NULL, plugin);
}

int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *options, int option_count)
{
    struct plugin *plugin = userdata;
    (void)options;
    (void)option_count;
    if (!plugin) {
        return MOSQ_ERR_SUCCESS;
    }
    mosquitto_callback_unregister(plugin->id, MOSQ_EVT_BASIC_AUTH, on_connect, NULL);
    mosquitto_callback_unregister(plugin->id, MOSQ_EVT_ACL_CHECK, on_access, NULL);
    mosquitto_callback_unregister(plugin->id, MOSQ_EVT_DISCONNECT, on_disconnect, NULL);
    mosquitto_callback_unregister(plugin->id, MOSQ_EVT_TICK, on_tick, NULL);
    for (int i = 0; i < BUCKETS; i++) {
        while (plugin->sessions[i]) {
            struct session *session = plugin->sessions[i];
            plugin->sessions[i] = session->next;
            dispose(session);
        }
    }
    for (int i = 0; i < plugin->publish_count; i++) {
        free(plugin->publish[i]);
    }
    for (int i = 0; i < plugin->subscribe_count; i++) {
        free(plugin->subscribe[i]);
    }
    if (plugin->socket >= 0) {
        close(plugin->socket);
    }
    free(plugin->path);
    free(plugin);
    return MOSQ_ERR_SUCCESS;
}
