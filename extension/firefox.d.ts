// What Firefox has beside Chrome's APIs.
declare namespace chrome.sidebarAction {
  function open(): Promise<void>;
}
