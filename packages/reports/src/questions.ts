import { type AskableQuestion, askable } from './answer.ts'
import { attributionQuestion, blameQuestion } from './attribution/question.ts'
import { breakpointsQuestion } from './breakpoints/question.ts'
import { chainsQuestion } from './chains/question.ts'
import { conversionQuestion } from './conversion/question.ts'
import { funnelQuestion } from './funnel/question.ts'
import { pathsQuestion } from './paths/question.ts'
import { waitsQuestion } from './waits/question.ts'
import { weakLinksQuestion } from './weak-links/question.ts'

/** Everything that can be asked about chains, in the order in which people ask. */
export const QUESTIONS: readonly AskableQuestion[] = [
  askable(breakpointsQuestion),
  askable(weakLinksQuestion),
  askable(funnelQuestion),
  askable(pathsQuestion),
  askable(conversionQuestion),
  askable(attributionQuestion),
  askable(blameQuestion),
  askable(waitsQuestion),
  askable(chainsQuestion),
]
