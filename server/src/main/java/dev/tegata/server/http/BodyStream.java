// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import dev.tegata.platform.ErrorCode;
import io.vertx.core.Context;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A request body as a blocking stream. The event loop puts chunks in, one virtual thread takes them out; the socket is
/// read only as far as [#AHEAD] chunks ahead of the reader.
final class BodyStream extends InputStream {
    private static final int AHEAD = 16;
    private static final Duration STALL = Duration.ofSeconds(30);

    private sealed interface Item {}

    private record Chunk(Buffer content) implements Item {}

    private record End() implements Item {}

    private record Failed(Throwable cause) implements Item {}

    private final HttpServerRequest request;
    private final Context context;
    private final long limit;
    private final Runnable complete;
    /// Bounded by the credit that is given to the request: [#AHEAD] chunks and one end or failure.
    private final BlockingQueue<Item> items = new LinkedBlockingQueue<>();

    // Owned by the event loop.
    private long received;

    // Owned by the reader.
    private byte[] current = new byte[0];
    private int position;
    private @Nullable Item last;

    BodyStream(HttpServerRequest request, Context context, long limit, Runnable complete) {
        this.request = request;
        this.context = context;
        this.limit = limit;
        this.complete = complete;
    }

    /// Starts the flow; called on the event loop.
    void start() {
        request.exceptionHandler(cause -> items.add(new Failed(cause)));
        request.endHandler(_ -> {
            complete.run();
            items.add(new End());
        });
        request.handler(chunk -> {
            received += chunk.length();
            if (received > limit) {
                items.add(new Failed(tooLarge(limit)));
            } else {
                items.add(new Chunk(chunk));
            }
        });
        request.fetch(AHEAD);
    }

    static ProblemException tooLarge(long limit) {
        return new ProblemException(
                new Problem(ErrorCode.TOO_LARGE, "the body may have " + limit + " bytes at most here"));
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        while (position == current.length) {
            if (!next()) {
                return -1;
            }
        }
        int count = Math.min(length, current.length - position);
        System.arraycopy(current, position, target, offset, count);
        position += count;
        return count;
    }

    @Override
    public int available() {
        return current.length - position;
    }

    private boolean next() throws IOException {
        Item item = last == null ? take() : last;
        return switch (item) {
            case Chunk chunk -> {
                current = chunk.content().getBytes();
                position = 0;
                context.runOnContext(_ -> request.fetch(1));
                yield true;
            }
            case End end -> {
                last = end;
                yield false;
            }
            case Failed failed -> {
                last = failed;
                if (failed.cause() instanceof ProblemException problem) {
                    throw problem;
                }
                throw new IOException("the peer has gone before its request was complete", failed.cause());
            }
        };
    }

    private Item take() throws IOException {
        try {
            Item item = items.poll(STALL.toMillis(), TimeUnit.MILLISECONDS);
            if (item == null) {
                throw new ProblemException(new Problem(
                        ErrorCode.REQUEST_TIMEOUT,
                        "nothing of the body has come for " + STALL.toSeconds() + " seconds"));
            }
            return item;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("the request took too long");
        }
    }
}
