import type { Actor, Interaction, Outcome, Reaction } from '@weaklink/interactions'
import type { Catalogue, Touchpoint } from './catalogue.ts'

/**
 * What the catalogue says about one interaction: the defaults of the field table and the definitions under rule 3 of
 * SPEC.md. The reducer and the oracle share these; the walk itself each of them reads on its own.
 */

/** The fields that the producer may leave to the catalogue, filled in, and what else it says. */
export interface Resolved {
  readonly by: Actor
  readonly outcome: Outcome
  readonly reaction: Reaction
  /** See `isResult`. */
  readonly result: boolean
  /** See `patienceMs`. */
  readonly patienceMs: number | null
}

/** Fills in `by`, `outcome` and `reaction`: the interaction's own, else the catalogue's, else the general default. */
export function resolve(catalogue: Catalogue, interaction: Interaction): Resolved {
  const touchpoint = catalogue.touchpoints.get(interaction.touchpoint)
  const outcome = interaction.outcome ?? touchpoint?.outcome ?? 'continued'
  const by = interaction.by ?? touchpoint?.by ?? 'customer'
  return {
    by,
    outcome,
    reaction: interaction.reaction ?? touchpoint?.reaction ?? REACTION_OF[outcome],
    result: saysWhatHappened(touchpoint),
    patienceMs: patienceWith(catalogue, touchpoint, by),
  }
}

const REACTION_OF: Readonly<Record<Outcome, Reaction>> = {
  continued: 'neutral',
  bought: 'positive',
  refused: 'negative',
  abandoned: 'negative',
}

/** The customer bought, or refused (or was refused). */
export function isFinal(outcome: Outcome): boolean {
  return outcome === 'bought' || outcome === 'refused'
}

/** The touchpoint says what happened, not where. */
export function isResult(catalogue: Catalogue, touchpoint: string): boolean {
  return saysWhatHappened(catalogue.touchpoints.get(touchpoint))
}

function saysWhatHappened(touchpoint: Touchpoint | undefined): boolean {
  return touchpoint?.result === true
}

/** The touchpoint belongs to the time after a sale. */
export function isPostPurchase(catalogue: Catalogue, touchpoint: string): boolean {
  return catalogue.touchpoints.get(touchpoint)?.stage === 'post_purchase'
}

/** How far toward the purchase the touchpoint is, null where the catalogue does not say. */
export function stepOf(catalogue: Catalogue, touchpoint: string): number | null {
  return catalogue.touchpoints.get(touchpoint)?.step ?? null
}

/**
 * The patience of an interaction in milliseconds: the catalogue's for its touchpoint; else null for the company's (a
 * message holds nobody's deadline); else the catalogue's default.
 *
 * @param by who acted, resolved
 */
export function patienceMs(catalogue: Catalogue, touchpoint: string, by: Actor): number | null {
  return patienceWith(catalogue, catalogue.touchpoints.get(touchpoint), by)
}

function patienceWith(catalogue: Catalogue, touchpoint: Touchpoint | undefined, by: Actor): number | null {
  if (touchpoint?.patienceMs !== undefined) return touchpoint.patienceMs
  return by === 'company' ? null : catalogue.patienceMs
}

/** The patience in milliseconds, the catalogue's default where there is none of its own. */
export function fullPatienceMs(catalogue: Catalogue, touchpoint: string): number {
  return catalogue.touchpoints.get(touchpoint)?.patienceMs ?? catalogue.patienceMs
}

/** How long after this touchpoint ended a chain what follows still belongs to it, in milliseconds. */
export function epilogueMs(catalogue: Catalogue, touchpoint: string): number {
  return catalogue.touchpoints.get(touchpoint)?.epilogueMs ?? catalogue.epilogueMs
}
