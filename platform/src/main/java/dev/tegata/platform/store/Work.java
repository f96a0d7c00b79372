// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// What is done inside one transaction. It may run more than once, so it does nothing outside the database that cannot
/// be repeated.
@FunctionalInterface
public interface Work<T extends @Nullable Object> {
    T run(Handle handle);
}
