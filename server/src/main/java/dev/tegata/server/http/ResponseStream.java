// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/// A response body as a blocking stream: each chunk waits until the one before it has left for the peer.
final class ResponseStream extends OutputStream {
    private static final int CHUNK = 32 * 1024;
    private static final long STALL_SECONDS = 30;

    private final HttpServerResponse response;
    private final Context loop;
    private Buffer pending = Buffer.buffer(CHUNK);

    ResponseStream(HttpServerResponse response, Context loop) {
        this.response = response;
        this.loop = loop;
    }

    @Override
    public void write(int octet) throws IOException {
        pending.appendByte((byte) octet);
        sendWhenFull();
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        pending.appendBytes(bytes, offset, length);
        sendWhenFull();
    }

    private void sendWhenFull() throws IOException {
        if (pending.length() >= CHUNK) {
            flush();
        }
    }

    @Override
    public void flush() throws IOException {
        if (pending.length() > 0) {
            Buffer chunk = pending;
            pending = Buffer.buffer(CHUNK);
            await(() -> response.write(chunk));
        }
    }

    @Override
    public void close() throws IOException {
        flush();
        await(response::end);
    }

    private void await(Supplier<Future<Void>> write) throws IOException {
        CompletableFuture<Void> written = new CompletableFuture<>();
        loop.runOnContext(_ -> write.get().onSuccess(written::complete).onFailure(written::completeExceptionally));
        try {
            written.get(STALL_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException | TimeoutException e) {
            throw new IOException("the peer does not take the answer", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("the answer took too long");
        }
    }
}
