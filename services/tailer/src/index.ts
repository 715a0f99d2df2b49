export { TailerError, type Target } from './sender.ts'
export {
  rejectedPath,
  startTailer,
  type Tailer,
  type TailerCounts,
  type TailerEvent,
  type TailerOptions,
} from './tailer.ts'
