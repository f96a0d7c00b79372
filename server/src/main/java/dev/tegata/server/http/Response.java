// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/// An answer: a status, headers, and a body that is there in full or is written as it is made.
public record Response(int status, Map<String, String> headers, Body body) {
    private static final byte[] NOTHING = new byte[0];

    /// What follows the headers.
    public sealed interface Body {}

    /// A body in memory. The array is handed over: nobody changes it afterwards.
    @SuppressWarnings("ArrayRecordComponent")
    record Full(byte[] content) implements Body {}

    /// A body of unknown size, written with back-pressure. Where the writer fails, the connection is cut, so that the
    /// reader cannot take a part for the whole.
    record Streamed(Writer writer) implements Body {}

    /// Writes a body as it is made.
    @FunctionalInterface
    public interface Writer {
        void writeTo(OutputStream out) throws IOException;
    }

    public static Response of(int status, String contentType, byte[] content) {
        return new Response(status, Map.of("Content-Type", contentType), new Full(content));
    }

    /// `value` as JSON.
    public static Response json(int status, Object value) {
        return of(status, "application/json", Json.write(value));
    }

    public static Response json(Object value) {
        return json(200, value);
    }

    public static Response text(int status, String contentType, String text) {
        return of(status, contentType, text.getBytes(StandardCharsets.UTF_8));
    }

    /// 204.
    public static Response nothing() {
        return new Response(204, Map.of(), new Full(NOTHING));
    }

    public static Response streamed(String contentType, Writer writer) {
        return new Response(200, Map.of("Content-Type", contentType), new Streamed(writer));
    }

    /// This answer with one more header, or another value for one that it has.
    public Response with(String name, String value) {
        Map<String, String> more = new LinkedHashMap<>(headers);
        more.put(name, value);
        return new Response(status, more, body);
    }

    /// The content of a body that is there in full; empty for one that is streamed.
    public byte[] content() {
        return body instanceof Full full ? full.content() : NOTHING;
    }
}
