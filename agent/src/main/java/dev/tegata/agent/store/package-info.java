// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// What a device remembers, kept so that a power cut at any moment leaves either the old or the new.
@NullMarked
package dev.tegata.agent.store;

import org.jspecify.annotations.NullMarked;
