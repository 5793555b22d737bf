/**
 * The camera's faults in Chinese: loaded with the first fault. In English, the page shows the car's own sentence.
 *
 * The codes are those of docs/camera.md. The command in the car's own sentence is the same in every language.
 */

/** @type {Record<string, string>} code, sentence */
export const FAULTS = {
  missing: "没有找到摄像头。请接好后运行：{command}",
  busy: "摄像头正被其他程序使用，请关闭该程序。",
  permission: "picar 无权打开摄像头。请运行：{command}，然后重启 picar。",
  unplugged: "摄像头已拔出，请重新插上。",
  frozen: "摄像头没有送出画面，正在重新启动。如果经常发生，请检查排线和电源。",
  stuck: "摄像头驱动卡死，驾驶不受影响。重启树莓派可恢复画面。",
  crashed: "摄像头进程已退出，正在重新启动。详情见 journalctl -u picar。",
  bad_stream: "摄像头进程送出的画面无效，正在重新启动。",
  wrong_format: "此摄像头不支持 MJPG 或 YUYV，请换一个。",
  no_library: "缺少摄像头所需的库。请运行：{command}",
  hidden_library: "picar 的 Python 找不到 picamera2。请运行：{command}",
  no_pillow: "显示画面需要 Pillow。请运行：{command}",
  out_of_memory: "摄像头占用内存过多。请在 picar.toml 中改小尺寸。",
};

/** @param {string} message of a fault @returns {string} the command that it tells to run */
export const commandOf = (message) => /run: ([^,]+)/i.exec(message)?.[1] ?? "picar doctor";

/** @param {string} code @param {string} message the car's own sentence @returns {string} an unknown code has the car's own */
export const sentenceOf = (code, message) => FAULTS[code]?.replace("{command}", commandOf(message)) ?? message;
