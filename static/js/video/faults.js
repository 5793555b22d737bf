/**
 * The camera's faults in words: loaded with the first fault, so that a visit without one does not pay for them.
 *
 * The codes are those of docs/camera.md. A command of the car's own sentence is the same in every language.
 */

/** @type {Record<string, Record<string, string>>} code, language, sentence */
export const FAULTS = {
  missing: {
    en: "No camera was found. Plug it in, then run: {command}",
    "zh-CN": "没有找到摄像头。请接好后运行：{command}",
  },
  busy: {
    en: "Another program uses the camera. End that program.",
    "zh-CN": "摄像头正被其他程序使用，请关闭该程序。",
  },
  permission: {
    en: "picar may not open the camera. Run: {command}, then restart picar.",
    "zh-CN": "picar 无权打开摄像头。请运行：{command}，然后重启 picar。",
  },
  unplugged: {
    en: "The camera was unplugged. Plug it in again.",
    "zh-CN": "摄像头已拔出，请重新插上。",
  },
  frozen: {
    en: "The camera sends no picture. It is started again. Often? Check its cable and the power supply.",
    "zh-CN": "摄像头没有送出画面，正在重新启动。如果经常发生，请检查排线和电源。",
  },
  stuck: {
    en: "The camera's driver hangs. Driving works. Restart the Pi to get the picture back.",
    "zh-CN": "摄像头驱动卡死，驾驶不受影响。重启树莓派可恢复画面。",
  },
  crashed: {
    en: "The camera process ended. It is started again; journalctl -u picar has more.",
    "zh-CN": "摄像头进程已退出，正在重新启动。详情见 journalctl -u picar。",
  },
  bad_stream: {
    en: "The camera process sent no valid picture. It is started again.",
    "zh-CN": "摄像头进程送出的画面无效，正在重新启动。",
  },
  wrong_format: {
    en: "This camera gives neither MJPG nor YUYV. Use another camera.",
    "zh-CN": "此摄像头不支持 MJPG 或 YUYV，请换一个。",
  },
  no_library: {
    en: "The camera's library is not installed. Run: {command}",
    "zh-CN": "缺少摄像头所需的库。请运行：{command}",
  },
  hidden_library: {
    en: "picar's Python does not find picamera2. Run: {command}",
    "zh-CN": "picar 的 Python 找不到 picamera2。请运行：{command}",
  },
  no_pillow: {
    en: "The picture needs Pillow. Run: {command}",
    "zh-CN": "显示画面需要 Pillow。请运行：{command}",
  },
  out_of_memory: {
    en: "The camera needed too much memory. Choose a smaller size in picar.toml.",
    "zh-CN": "摄像头占用内存过多。请在 picar.toml 中改小尺寸。",
  },
};

/** @param {string} message of a fault @returns {string} the command that it tells to run */
export const commandOf = (message) => /run: ([^,]+)/i.exec(message)?.[1] ?? "picar doctor";

/**
 * @param {string} code @param {string} message the car's own sentence, in English @param {string} language
 * @returns {string} an unknown code has the car's own sentence
 */
export function sentenceOf(code, message, language) {
  return FAULTS[code]?.[language]?.replace("{command}", commandOf(message)) ?? message;
}
