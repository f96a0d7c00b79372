// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Events: what happened, for those outside who want to know. Start at `Outbox`.
@NullMarked
package dev.tegata.platform.event;

import org.jspecify.annotations.NullMarked;
