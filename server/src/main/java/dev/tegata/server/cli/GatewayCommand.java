// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import dev.tegata.server.ListenAddresses;
import dev.tegata.server.device.Gateway;
import dev.tegata.server.http.ClientTrust;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.NoSuchAlgorithmException;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// Carries check-ins of devices without a network of their own, until it is told to end.
@Command(
        footer = {
            "  tegata gateway --listen 192.168.4.1:8445 --server https://tegata.example:8444",
            "  tegata gateway --server https://localhost:8444 --ca tegata-data/tls/ca.pem"
        })
final class GatewayCommand implements Callable<Integer> {
    private final Session session;

    @Option(
            names = "--listen",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:8445",
            description = "Where devices find it, in plain HTTP (default: 127.0.0.1:8445).")
    String listen = "";

    @Option(
            names = "--server",
            paramLabel = "URL",
            required = true,
            description = "The server's port for devices, such as https://tegata.example:8444.")
    String server = "";

    @Option(
            names = "--ca",
            paramLabel = "FILE",
            description = "PEM file with the CA of the server's TLS certificate, where no public CA signed it.")
    @Nullable
    Path ca;

    GatewayCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws InterruptedException {
        int colon = listen.lastIndexOf(':');
        if (colon < 1 || !listen.substring(colon + 1).matches("[0-9]{1,5}")) {
            throw CommandFailure.usage("--listen is a host and a port, such as 127.0.0.1:8445");
        }
        if (!server.matches("https://[^/\\s]+/?")) {
            throw CommandFailure.usage("--server is an https URL without a path, such as https://tegata.example:8444");
        }
        String host = listen.substring(0, colon).replaceAll("[\\[\\]]", "");
        int port = Integer.parseInt(listen.substring(colon + 1));
        ListenAddresses.objection("--listen", host, "--listen", port).ifPresent(sentence -> {
            throw CommandFailure.usage(sentence);
        });
        try (Gateway gateway = Gateway.start(host, port, URI.create(server), trust())) {
            Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(gateway::close));
            session.output().say("The gateway is ready at " + gateway.url() + ". Stop it with Ctrl-C.");
            new CountDownLatch(1).await();
        } catch (UncheckedIOException e) {
            Throwable cause = e;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            throw CommandFailure.unreachable("the gateway cannot listen at " + listen + ": " + cause.getMessage());
        }
        return 0;
    }

    private SSLContext trust() {
        try {
            return ca == null ? SSLContext.getDefault() : ClientTrust.of(ca);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has TLS", e);
        } catch (IOException | GeneralSecurityException e) {
            throw CommandFailure.usage("the CA file " + ca + " cannot be read");
        }
    }
}
