// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import java.nio.ByteBuffer;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.conscrypt.AllocatedBuffer;
import org.conscrypt.BufferAllocator;
import org.conscrypt.Conscrypt;

/// The native TLS engine's buffers, used again for the next connection.
///
/// New ones would live outside the heap until a collection of the whole heap, which seldom comes: a process
/// that makes connection after connection would grow by gigabytes. Safe for many threads.
final class RecycledBuffers extends BufferAllocator {
    /// Each connection takes a few at a time.
    private static final int MOST_KEPT = 1024;

    private final ConcurrentLinkedQueue<ByteBuffer> free = new ConcurrentLinkedQueue<>();
    private final AtomicInteger kept = new AtomicInteger();

    private RecycledBuffers() {}

    /// Has all TLS connections of this process use them from now on.
    static void use() {
        if (Conscrypt.isAvailable()) {
            Conscrypt.setDefaultBufferAllocator(new RecycledBuffers());
        }
    }

    @Override
    public AllocatedBuffer allocateDirectBuffer(int capacity) {
        ByteBuffer buffer = free.poll();
        if (buffer != null) {
            kept.decrementAndGet();
            if (buffer.capacity() >= capacity) {
                buffer.clear().limit(capacity);
                return new Lent(buffer);
            }
        }
        return new Lent(ByteBuffer.allocateDirect(capacity));
    }

    private final class Lent extends AllocatedBuffer {
        private final ByteBuffer buffer;
        private final AtomicBoolean returned = new AtomicBoolean();

        Lent(ByteBuffer buffer) {
            this.buffer = buffer;
        }

        @Override
        public ByteBuffer nioBuffer() {
            return buffer;
        }

        @Override
        public AllocatedBuffer release() {
            if (returned.compareAndSet(false, true)) {
                if (kept.incrementAndGet() <= MOST_KEPT) {
                    free.add(buffer);
                } else {
                    kept.decrementAndGet();
                }
            }
            return this;
        }
    }
}
