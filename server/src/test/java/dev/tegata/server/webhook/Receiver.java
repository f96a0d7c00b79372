// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.webhook;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.tegata.platform.store.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Predicate;
import tools.jackson.databind.JsonNode;

/// A real HTTP server that keeps what it was sent, and answers as a test wants.
final class Receiver implements AutoCloseable {
    private final HttpServer server;
    private final List<Received> received = new CopyOnWriteArrayList<>();
    private volatile Function<Received, Integer> answers = _ -> 204;
    private volatile String retryAfter = "";

    record Received(String signature, String body, int status) {
        JsonNode event() {
            return Json.mapper().readTree(body);
        }

        String subject() {
            return event().path("subject").asString();
        }

        int number() {
            return event().path("data").path("number").asInt();
        }

        /// As the header has it: `t`, `d` or `v1`.
        String part(String name) {
            for (String part : signature.split(",")) {
                if (part.startsWith(name + "=")) {
                    return part.substring(name.length() + 1);
                }
            }
            return "";
        }
    }

    Receiver() {
        try {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/", this::answer);
        server.start();
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String body = new String(exchange.getRequestBody().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
            String signature = exchange.getRequestHeaders().getFirst("Tegata-Signature");
            int status = answers.apply(new Received(signature, body, 0));
            synchronized (this) {
                received.add(new Received(signature, body, status));
                notifyAll();
            }
            if (!retryAfter.isEmpty()) {
                exchange.getResponseHeaders().set("Retry-After", retryAfter);
            }
            if (status / 100 == 3) {
                exchange.getResponseHeaders().set("Location", url());
            }
            exchange.sendResponseHeaders(status, -1);
        }
    }

    String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort() + "/events";
    }

    void answers(Function<Received, Integer> wanted) {
        answers = wanted;
    }

    void retryAfter(String text) {
        retryAfter = text;
    }

    /// All that came, or what was answered with success.
    List<Received> all() {
        return List.copyOf(received);
    }

    List<Received> taken() {
        return received.stream().filter(one -> one.status() < 300).toList();
    }

    /// Waits until what has come is as wanted.
    synchronized List<Received> await(Predicate<Receiver> wanted) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!wanted.test(this)) {
            long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
            if (left <= 0) {
                throw new AssertionError("in vain; received " + received);
            }
            wait(left);
        }
        return all();
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
