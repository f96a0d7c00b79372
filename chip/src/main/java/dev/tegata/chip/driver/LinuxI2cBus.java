// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip.driver;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.file.Path;
import java.util.Arrays;

/// An I²C bus by its Linux device file, through the C library.
///
/// Needs the permission to use native code (`--enable-native-access`) and to open the device.
final class LinuxI2cBus implements I2cBus {
    private static final int O_RDWR = 2;
    private static final long I2C_SLAVE = 0x0703;

    /// The kernel's words for a device that did not acknowledge; which one depends on the bus driver.
    private static final int ENXIO = 6;

    private static final int EIO = 5;
    private static final int EREMOTEIO = 121;
    private static final int ETIMEDOUT = 110;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = CALL_STATE.varHandle(PathElement.groupElement("errno"));

    private static final MethodHandle OPEN =
            handle("open", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
    private static final MethodHandle IOCTL = handle(
            "ioctl",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG),
            Linker.Option.firstVariadicArg(2));
    private static final MethodHandle READ = handle("read", transfer());
    private static final MethodHandle WRITE = handle("write", transfer());
    private static final MethodHandle CLOSE =
            handle("close", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

    private final Path device;
    private final int descriptor;

    private LinuxI2cBus(Path device, int descriptor) {
        this.device = device;
        this.descriptor = descriptor;
    }

    static LinuxI2cBus open(Path device) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            int descriptor = (int) OPEN.invokeExact(state, arena.allocateFrom(device.toString()), O_RDWR);
            if (descriptor < 0) {
                throw new IOException("cannot open " + device + " (error " + (int) ERRNO.get(state, 0L) + ")");
            }
            return new LinuxI2cBus(device, descriptor);
        } catch (Throwable e) {
            throw asIo(e);
        }
    }

    @Override
    public boolean write(int address, byte[] bytes) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            select(state, address);
            MemorySegment buffer = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
            long done = (long) WRITE.invokeExact(state, descriptor, buffer, (long) bytes.length);
            return isAcknowledged(state, done, bytes.length);
        } catch (Throwable e) {
            throw asIo(e);
        }
    }

    @Override
    public boolean read(int address, byte[] into) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            select(state, address);
            MemorySegment buffer = arena.allocate(into.length);
            long done = (long) READ.invokeExact(state, descriptor, buffer, (long) into.length);
            MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, into, 0, into.length);
            return isAcknowledged(state, done, into.length);
        } catch (Throwable e) {
            throw asIo(e);
        }
    }

    private void select(MemorySegment state, int address) throws Throwable {
        int result = (int) IOCTL.invokeExact(state, descriptor, I2C_SLAVE, (long) address);
        if (result < 0) {
            throw new IOException(device + " is no I2C bus (error " + (int) ERRNO.get(state, 0L) + ")");
        }
    }

    private boolean isAcknowledged(MemorySegment state, long done, int length) throws IOException {
        if (done == length) {
            return true;
        }
        int error = done < 0 ? (int) ERRNO.get(state, 0L) : EIO;
        return switch (error) {
            case ENXIO, EIO, EREMOTEIO, ETIMEDOUT -> false;
            default -> throw new IOException("a transfer on " + device + " failed (error " + error + ")");
        };
    }

    @Override
    public void close() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            int ignored = (int) CLOSE.invokeExact(arena.allocate(CALL_STATE), descriptor);
        } catch (Throwable e) {
            throw asIo(e);
        }
    }

    private static FunctionDescriptor transfer() {
        return FunctionDescriptor.of(
                ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);
    }

    private static MethodHandle handle(String name, FunctionDescriptor descriptor, Linker.Option... options) {
        Linker.Option[] all = Arrays.copyOf(options, options.length + 1);
        all[options.length] = Linker.Option.captureCallState("errno");
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), descriptor, all);
    }

    private static IOException asIo(Throwable e) {
        return switch (e) {
            case IOException io -> io;
            case Error error -> throw error;
            case RuntimeException bug -> throw bug;
            default -> new IOException(e);
        };
    }
}
