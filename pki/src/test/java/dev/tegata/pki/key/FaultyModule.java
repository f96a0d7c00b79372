// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;

/// SoftHSM, in which one function of the test's choice fails when it is told to.
final class FaultyModule {
    static final int C_LOGIN = 18;
    static final int C_SIGN = 43;
    static final int C_CREATE_OBJECT = 20;
    static final int C_GENERATE_KEY_PAIR = 59;

    private static final int LIST_HEADER = 8;

    private final Cryptoki cryptoki;
    private final MethodHandle original;

    // The fault: from which call on, and what is answered instead. Set and read by one thread at a time.
    private volatile int calls;
    private volatile int failFrom = Integer.MAX_VALUE;
    private volatile long code;
    private volatile Consumer<long[]> change = arguments -> {};

    /// One for each call that does not come back before [#release].
    private final Semaphore toHang = new Semaphore(0);
    private final Semaphore hanging = new Semaphore(0);
    private final CountDownLatch released = new CountDownLatch(1);

    /// @param function its place in CK_FUNCTION_LIST
    FaultyModule(int function, int arguments) throws ReflectiveOperationException {
        MemorySegment list = Cryptoki.load(SoftHsm.LIBRARY).functions;
        MemorySegment copy = Arena.global().allocate(list.byteSize(), 8);
        copy.copyFrom(list);
        MemoryLayout[] longs = new MemoryLayout[arguments];
        Arrays.fill(longs, ValueLayout.JAVA_LONG);
        FunctionDescriptor descriptor = FunctionDescriptor.of(ValueLayout.JAVA_LONG, longs);
        long offset = LIST_HEADER + 8L * function;
        original = Linker.nativeLinker()
                .downcallHandle(list.get(ValueLayout.ADDRESS, offset), descriptor)
                .asSpreader(long[].class, arguments);
        MethodHandle instead = MethodHandles.lookup()
                .bind(this, "instead", MethodType.methodType(long.class, long[].class))
                .asCollector(long[].class, arguments);
        copy.set(ValueLayout.ADDRESS, offset, Linker.nativeLinker().upcallStub(instead, descriptor, Arena.global()));
        cryptoki = new Cryptoki(copy);
    }

    private long instead(long[] arguments) throws Throwable {
        if (toHang.tryAcquire()) {
            hanging.release();
            released.await();
        }
        calls++;
        change.accept(arguments);
        return calls >= failFrom ? code : (long) original.invoke(arguments);
    }

    Cryptoki cryptoki() {
        return cryptoki;
    }

    /// The call after the next `good` ones, and all that follow, answer `code`.
    void failAfter(int good, long code) {
        this.code = code;
        calls = 0;
        failFrom = good + 1;
    }

    /// Changes the arguments of each call, which the module then takes for what it was asked.
    void change(Consumer<long[]> change) {
        this.change = change;
    }

    /// The next calls, so many, hang.
    void hang(int many) {
        toHang.release(many);
    }

    /// Waits until so many more calls hang.
    void awaitHanging(int many) throws InterruptedException {
        hanging.acquire(many);
    }

    /// Lets the calls that hang go on.
    void release() {
        released.countDown();
    }

    void heal() {
        failFrom = Integer.MAX_VALUE;
    }

    int calls() {
        return calls;
    }
}
