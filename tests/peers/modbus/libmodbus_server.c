/* A Modbus device made of libmodbus: 40 holding registers 1000, 1001, ..., input registers alike, 24 coils and
 * discrete inputs where every third is on. Addresses beyond answer exception 2. The argument is a port (0 for a free
 * one) or the path of a serial port, where it is unit 17 at 19200 8N1. Prints {"port": n} when it listens. */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

enum { REGISTERS = 40, BITS = 24, CLIENTS_MAX = 16, UNIT = 17 };

static int serve_serial(modbus_t *bus, modbus_mapping_t *map) {
    modbus_set_slave(bus, UNIT);
    if (modbus_connect(bus) != 0) {
        fprintf(stderr, "libmodbus: cannot open the serial port: %s\n", modbus_strerror(errno));
        return 1;
    }
    printf("{\"port\": 0}\n");
    fflush(stdout);
    for (;;) {
        uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
        int received = modbus_receive(bus, query);
        if (received > 0)
            modbus_reply(bus, query, received, map);
        else if (received < 0 && errno == EIO)
            return 0;
    }
}

int main(int argc, char **argv) {
    const char *line = argc > 1 ? argv[1] : "0";
    int port = atoi(line);
    modbus_t *bus = line[0] == '/' ? modbus_new_rtu(line, 19200, 'N', 8, 1) : modbus_new_tcp("127.0.0.1", port);
    modbus_mapping_t *map = modbus_mapping_new(BITS, BITS, REGISTERS, REGISTERS);
    if (bus == NULL || map == NULL) {
        fprintf(stderr, "libmodbus: %s\n", modbus_strerror(errno));
        return 1;
    }
    for (int i = 0; i < REGISTERS; i++)
        map->tab_registers[i] = map->tab_input_registers[i] = (uint16_t)(1000 + i);
    for (int i = 0; i < BITS; i++)
        map->tab_bits[i] = map->tab_input_bits[i] = i % 3 == 0;

    if (line[0] == '/')
        return serve_serial(bus, map);

    int listener = modbus_tcp_listen(bus, CLIENTS_MAX);
    struct sockaddr_in bound;
    socklen_t length = sizeof bound;
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&bound, &length) != 0) {
        fprintf(stderr, "libmodbus: cannot listen on port %d: %s\n", port, modbus_strerror(errno));
        return 1;
    }
    printf("{\"port\": %d}\n", ntohs(bound.sin_port));
    fflush(stdout);

    fd_set open;
    FD_ZERO(&open);
    FD_SET(listener, &open);
    int highest = listener;
    for (;;) {
        fd_set ready = open;
        if (select(highest + 1, &ready, NULL, NULL, NULL) < 0)
            return 1;
        for (int fd = 0; fd <= highest; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                if (client >= 0 && client < FD_SETSIZE) {
                    FD_SET(client, &open);
                    highest = client > highest ? client : highest;
                }
                continue;
            }
            uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
            modbus_set_socket(bus, fd);
            int received = modbus_receive(bus, query);
            if (received > 0) {
                modbus_reply(bus, query, received, map);
            } else if (received < 0) {
                close(fd);
                FD_CLR(fd, &open);
            }
        }
    }
}
