/* SPDX-FileCopyrightText: The Tegata authors */
/* SPDX-License-Identifier: Apache-2.0 */

/* A driver that knows nothing but docs/how-to/drive-the-virtual-chip.md: it talks to the chip behind a TCP port and
   prints what it hears, a line each. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int bus;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static uint16_t checksum(const uint8_t *bytes, size_t length)
{
    uint16_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            int top = sum >> 15;
            sum = (uint16_t)(sum << 1);
            if (((bytes[i] >> bit) & 1) != top) {
                sum ^= 0x8005;
            }
        }
    }
    return sum;
}

static void hear(uint8_t *bytes, size_t length)
{
    for (size_t got = 0; got < length;) {
        ssize_t more = read(bus, bytes + got, length - got);
        if (more <= 0) {
            fail("the bus broke off");
        }
        got += (size_t)more;
    }
}

static void word(uint8_t address)
{
    if (write(bus, &address, 1) != 1) {
        fail("the bus cannot be written");
    }
}

/* Sends a command and prints what the answer holds: data, or a status. */
static void ask(const char *what, uint8_t opcode, uint8_t param1, uint16_t param2, const uint8_t *data, size_t length)
{
    uint8_t packet[200] = {3, (uint8_t)(length + 7), opcode, param1, (uint8_t)param2, (uint8_t)(param2 >> 8)};
    if (length > 0) {
        memcpy(packet + 6, data, length);
    }
    uint16_t sum = checksum(packet + 1, length + 5);
    packet[length + 6] = (uint8_t)sum;
    packet[length + 7] = (uint8_t)(sum >> 8);
    if (write(bus, packet, length + 8) != (ssize_t)(length + 8)) {
        fail("the bus cannot be written");
    }
    uint8_t answer[256];
    hear(answer, 1);
    printf("%s ", what);
    if (answer[0] == 0) {
        printf("asleep\n");
        return;
    }
    hear(answer + 1, answer[0] - 1u);
    sum = checksum(answer, answer[0] - 2u);
    if (answer[answer[0] - 2] != (uint8_t)sum || answer[answer[0] - 1] != (uint8_t)(sum >> 8)) {
        fail("the answer's checksum is wrong");
    }
    for (int i = 1; i < answer[0] - 2; i++) {
        printf("%02x", answer[i]);
    }
    printf("\n");
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fail("usage: client PORT");
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bus = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(bus, (struct sockaddr *)&address, sizeof address) != 0) {
        fail("nothing listens there");
    }
    uint8_t awake[4];
    word(0);
    hear(awake, 4);
    if (memcmp(awake, "\x04\x11\x33\x43", 4) != 0) {
        fail("the chip does not wake");
    }
    uint8_t digest[32];
    for (int i = 0; i < 32; i++) {
        digest[i] = (uint8_t)i;
    }
    ask("info", 0x30, 0, 0, NULL, 0);
    ask("configuration", 0x02, 0x80, 0, NULL, 0);
    ask("random", 0x1b, 0, 0, NULL, 0);
    ask("public", 0x40, 0x00, 0, NULL, 0);
    ask("nonce", 0x16, 0x03, 0, digest, 32);
    ask("signature", 0x41, 0x80, 0, NULL, 0);
    ask("private", 0x02, 0x82, 0, NULL, 0);
    ask("internal-only", 0x41, 0x80, 1, NULL, 0);
    ask("unknown", 0x99, 0, 0, NULL, 0);
    word(1);
    ask("sleeping", 0x30, 0, 0, NULL, 0);
    close(bus);
    return 0;
}
