// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Replacing authorities without anybody being refused: campaigns that move the devices of one authority to
/// another, and the answer to who still depends on one. Start at `Rollovers`.
@NullMarked
package dev.tegata.platform.rollover;

import org.jspecify.annotations.NullMarked;
