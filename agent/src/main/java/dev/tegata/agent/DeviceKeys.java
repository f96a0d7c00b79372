// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import java.io.IOException;
import java.util.Set;

/// Where a device's keys live: the one that it was born with, and those that it makes in the field.
///
/// A key has a name, which outlives a loss of power; what the name tells is the holder's business. Nothing
/// destroys a key but [#forget]: whoever remembers a name finds its key. The name is known before the key is
/// made, so that who is stopped in between knows what to forget.
public interface DeviceKeys extends AutoCloseable {
    /// The birth key, and the vendor's certificates around it.
    DeviceIdentity birth() throws IOException;

    /// The name under which the next key will be made. To forget it does no harm where none was.
    ///
    /// @param inUse names of the keys that must stay as they are
    /// @throws NoRoomException where they leave no room for another
    String nameNext(Set<String> inUse) throws IOException;

    /// Makes the key of a name that [#nameNext] gave. It is durable when this returns.
    Made make(String name) throws IOException;

    /// A key that was made earlier.
    ///
    /// @throws NoSuchKeyException where it is certain that there is no such key
    DeviceKey open(String name) throws IOException;

    /// Destroys a key that was made. Does nothing where it is gone already.
    void forget(String name) throws IOException;

    @Override
    void close() throws IOException;

    /// All keys that there is room for are in use.
    final class NoRoomException extends IOException {
        private static final long serialVersionUID = 1L;

        NoRoomException(String message) {
            super(message);
        }
    }

    /// A key is gone.
    final class NoSuchKeyException extends IOException {
        private static final long serialVersionUID = 1L;

        NoSuchKeyException(String message) {
            super(message);
        }
    }

    /// A new key and its name, which is another one where the key itself is its name.
    record Made(String name, DeviceKey key) {}
}
