// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/// A call into a module, which may never come back, and may have been given up when it does.
final class Pkcs11Call<T> extends FutureTask<T> {
    // Guarded by this.
    private boolean inside;
    private @Nullable Runnable whenBack;

    Pkcs11Call(Callable<T> task) {
        super(task);
    }

    @Override
    public void run() {
        synchronized (this) {
            inside = true;
        }
        super.run();
        Runnable awaited;
        synchronized (this) {
            inside = false;
            awaited = whenBack;
        }
        if (awaited != null) {
            awaited.run();
        }
    }

    /// Gives the call up. One that has not begun never will.
    ///
    /// @param whenBack is run where this returns true and the call comes back after all
    /// @return whether the call is in the module
    synchronized boolean leave(Runnable whenBack) {
        cancel(false);
        if (inside) {
            this.whenBack = whenBack;
        }
        return inside;
    }
}
