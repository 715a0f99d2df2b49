import { type AskableQuestion, askable } from './answer.ts'
import { breakpointsQuestion } from './breakpoints/question.ts'
import { chainsQuestion } from './chains/question.ts'
import { funnelQuestion } from './funnel/question.ts'

/** Everything that can be asked about chains, in the order in which people ask. */
export const QUESTIONS: readonly AskableQuestion[] = [
  askable(breakpointsQuestion),
  askable(funnelQuestion),
  askable(chainsQuestion),
]
