// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.io.IOException;
import java.io.InputStream;

/// Splits a file of one format into its elements. Memory is bounded for any input.
interface ManifestReader {
    /// Hands every element of `in`, in order, to `sink`.
    ///
    /// @throws BrokenManifestException where the framing breaks; elements before the break have been handed over
    /// @throws IOException where `in` itself fails, or what unpacks it
    void read(InputStream in, Sink sink) throws IOException, InterruptedException;

    /// Takes elements; blocks while those who work on them are behind.
    interface Sink {
        /// Says what the following elements are. Called at least once before the first of them.
        void format(ManifestFormat format);

        void element(RawElement element) throws InterruptedException;
    }
}
